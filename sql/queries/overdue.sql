-- Units that a worker holds for long, though its heart beats.

-- held_units --
-- Units of an open round that a job holds for a while, without a result: the worker, how long it has had the unit, and its
-- own usual times, the medians over its last units of this run, late ones included. The oldest first. Where no other live
-- worker could take the unit, it is better late than never
SELECT u.unit, u.count AS images, u.job_id, j.attempts AS attempt, j.worker_id,
       coalesce(w.name, j.worker_id::text) AS worker, coalesce(w.login::text, '') AS login,
       extract(epoch FROM clock_timestamp() - s.at)::float8 AS held_s,
       own.image_s::float8 AS image_s, own.transfer_s::float8 AS transfer_s,
       (SELECT max(l.seconds / l.images) FROM (SELECT seconds, images FROM ganns.ledger
            WHERE run_id = %(run_id)s AND accepted AND NOT undone ORDER BY round DESC LIMIT 100) l)::float8 AS slowest_image_s
FROM ganns.rounds o
JOIN ganns.units u ON u.run_id = o.run_id AND u.round = o.round
JOIN procrastinate.procrastinate_jobs j ON j.id = u.job_id AND j.status = 'doing' AND NOT j.abort_requested
JOIN LATERAL (SELECT max(e.at) AS at FROM procrastinate.procrastinate_events e
              WHERE e.job_id = j.id AND e.type = 'started') s ON s.at < now() - make_interval(secs => %(longer_than_s)s::float8)
LEFT JOIN ganns.workers w ON w.id = j.worker_id
LEFT JOIN LATERAL (
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY l.seconds / l.images) AS image_s,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY coalesce(l.network_s, 0)) AS transfer_s
    FROM (SELECT l.seconds, l.images, l.network_s FROM ganns.ledger l JOIN ganns.workers m ON m.id = l.worker_id
          WHERE l.run_id = u.run_id AND m.name = w.name AND m.login = w.login AND NOT l.undone
          ORDER BY l.at DESC LIMIT 20) l
) own ON true
WHERE o.run_id = %(run_id)s AND o.round = %(round)s AND o.closed_at IS NULL
  AND o.opened_at < now() - make_interval(secs => %(longer_than_s)s::float8)
  AND NOT EXISTS (SELECT FROM ganns.results r WHERE r.run_id = u.run_id AND r.round = u.round AND r.unit = u.unit)
  AND ganns.another_worker(j.id, j.worker_id)
ORDER BY s.at;

-- give_on --
-- Queue a unit's job again for another worker; false if it has just ended, or is locked
SELECT ganns.give_on(%(job_id)s::bigint, %(attempt)s::integer) AS given;

-- let_back --
-- Let those who held a unit of an open round too long have it again, where the others who could take it are gone
DELETE FROM ganns.task_refusals x
USING ganns.rounds o, ganns.units u, procrastinate.procrastinate_jobs j
WHERE o.run_id = %(run_id)s AND o.round = %(round)s AND o.closed_at IS NULL
  AND u.run_id = o.run_id AND u.round = o.round AND j.id = u.job_id AND j.status = 'todo'
  AND x.reason = 'it held this unit too long' AND x.task_name = j.task_name AND x.args = j.args
  AND NOT ganns.another_worker(j.id, NULL);

-- locked_units --
-- Units of an open round whose waiting job an open transaction holds: no worker gets it, and no rescue sees it. The lock of
-- a row is the number of its transaction; reading it locks nothing
SELECT u.unit, a.pid, pg_get_userbyid(a.usesysid)::text AS login,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS held_s
FROM ganns.rounds o
JOIN ganns.units u ON u.run_id = o.run_id AND u.round = o.round
JOIN procrastinate.procrastinate_jobs j ON j.id = u.job_id AND j.status = 'todo' AND j.xmax <> '0'::xid
JOIN pg_stat_get_activity(NULL) a ON a.backend_xid = j.xmax
WHERE o.run_id = %(run_id)s AND o.round = %(round)s AND o.closed_at IS NULL
  AND o.opened_at < now() - make_interval(secs => %(longer_than_s)s::float8)
  AND a.xact_start < clock_timestamp() - make_interval(secs => %(longer_than_s)s::float8)
ORDER BY u.unit;

-- delete_old_overdue --
-- Forget attempts that held a unit too long, after a day: their results are not expected any more
DELETE FROM ganns.overdue_units WHERE run_id = %(run_id)s AND at < now() - interval '1 day';
