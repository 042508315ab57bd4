-- Rounds, their units, and the jobs behind the units.

-- insert_round --
-- Open a round, with its settings or none; the deadline uses the server's clock
INSERT INTO ganns.rounds (run_id, round, weights_version, quorum, deadline_at,
                          class_size, unit_images, micro_batch, lr_g, lr_d)
VALUES (%(run_id)s, %(round)s, %(weights_version)s, %(quorum)s, now() + make_interval(secs => %(deadline_s)s::float8),
        %(class_size)s, %(unit_images)s, %(micro_batch)s, %(lr_g)s, %(lr_d)s);

-- insert_units --
-- Record the slice and the job of each unit (the jobs' own arguments have the unit's number)
INSERT INTO ganns.units (run_id, round, unit, epoch, start, count, job_id)
SELECT %(run_id)s, %(round)s, s.unit, s.epoch, s.start, s.count, j.id
FROM unnest(%(units)s::integer[], %(epochs)s::integer[], %(starts)s::integer[], %(counts)s::integer[])
     AS s(unit, epoch, start, count)
JOIN procrastinate.procrastinate_jobs j ON j.id = ANY(%(job_ids)s::bigint[]) AND (j.args ->> 'unit')::integer = s.unit;

-- replace_jobs --
-- Give open units new jobs; workers that still hold an old one cannot submit any more
UPDATE ganns.units u SET job_id = new.job_id, attempt = 0, claimed_at = NULL, claimed_by = NULL
FROM unnest(%(units)s::integer[], %(job_ids)s::bigint[]) AS new(unit, job_id)
WHERE u.run_id = %(run_id)s AND u.round = %(round)s AND u.unit = new.unit;

-- open_rounds --
-- The run's open rounds, oldest first, with the seconds until their deadlines (negative if passed)
SELECT round, weights_version, quorum, extract(epoch FROM deadline_at - now())::float8 AS deadline_in_s,
       class_size, unit_images, micro_batch, lr_g, lr_d
FROM ganns.rounds WHERE run_id = %(run_id)s AND closed_at IS NULL ORDER BY round;

-- round_settings --
-- The settings of a round
SELECT class_size, unit_images, micro_batch, lr_g, lr_d
FROM ganns.rounds WHERE run_id = %(run_id)s AND round = %(round)s;

-- recorded_schedule --
-- The closed rounds in order, each with its settings and accepted units; one that went back has none
SELECT r.round, r.class_size, r.unit_images, r.micro_batch, r.lr_g, r.lr_d, l.unit, l.epoch, l.start, l.images
FROM ganns.rounds r
LEFT JOIN ganns.ledger l ON l.run_id = r.run_id AND l.round = r.round AND l.accepted AND NOT l.undone
WHERE r.run_id = %(run_id)s AND r.closed_at IS NOT NULL ORDER BY r.round, l.unit;

-- count_present --
-- Live workers that take new jobs, and units of this run
SELECT count(*) AS num FROM procrastinate.procrastinate_workers p
LEFT JOIN ganns.task_workers t ON t.worker_id = p.id
WHERE p.last_heartbeat > now() - make_interval(secs => %(silent_s)s) AND NOT coalesce(t.draining, false)
  AND t.preparing IS NULL
  AND NOT EXISTS (SELECT FROM ganns.task_refusals x WHERE x.worker_id = p.id AND x.args @> %(refused)s::jsonb)
  AND NOT ganns.is_excluded(%(refused)s::jsonb, t.login, t.name);

-- rebase_round --
-- Compute an open round again at another version; submissions wait for the end of the transaction
UPDATE ganns.rounds SET weights_version = %(weights_version)s
WHERE run_id = %(run_id)s AND round = %(round)s AND closed_at IS NULL;

-- restart_deadline --
-- Start the deadline of a round that was opened early, because it is the next one now
UPDATE ganns.rounds SET deadline_at = now() + make_interval(secs => %(deadline_s)s::float8)
WHERE run_id = %(run_id)s AND round = %(round)s AND closed_at IS NULL;

-- list_units --
-- A round's units
SELECT u.unit, u.epoch, u.start, u.count, u.job_id, u.attempt, u.refused_from, s.unit IS NOT NULL AS skipped
FROM ganns.units u LEFT JOIN ganns.skipped s ON s.run_id = u.run_id AND s.round = u.round AND s.unit = u.unit
WHERE u.run_id = %(run_id)s AND u.round = %(round)s ORDER BY u.unit;

-- lock_round --
-- Lock the round before closing it: each submission has either stored its result already, or will find the round closed
SELECT round FROM ganns.rounds
WHERE run_id = %(run_id)s AND round = %(round)s AND closed_at IS NULL FOR UPDATE;

-- close_round --
-- Mark the round as closed
UPDATE ganns.rounds SET closed_at = now() WHERE run_id = %(run_id)s AND round = %(round)s;

-- lost_units --
-- Open units without a result that will not get one: their job is in a final state or gone (a server crash emptied the
-- results, or a sleeping worker finished a job that was no longer its own), or they are poison. A unit is poison if its
-- job failed, if it raised errors on three workers, or, where fewer are present, three times and on each of these. All
-- workers of a student are one here
WITH failed AS (
    SELECT f.unit, count(*) AS num, array_agg(DISTINCT f.worker) AS workers,
           (array_agg(f.reason ORDER BY f.at DESC))[1] AS reason
    FROM ganns.unit_failures f WHERE f.run_id = %(run_id)s AND f.round = %(round)s GROUP BY f.unit
), present AS (
    SELECT coalesce(array_agg(coalesce(s.label, w.name, p.id::text)), '{}') AS workers
    FROM procrastinate.procrastinate_workers p
    LEFT JOIN ganns.workers w ON w.id = p.id
    LEFT JOIN ganns.students s ON s.login = w.login
    LEFT JOIN ganns.task_workers t ON t.worker_id = p.id
    WHERE p.last_heartbeat > now() - make_interval(secs => %(silent_s)s) AND NOT coalesce(t.draining, false)
      AND t.preparing IS NULL
      AND NOT EXISTS (SELECT FROM ganns.task_refusals x WHERE x.worker_id = p.id AND x.args @> %(refused)s::jsonb)
      AND NOT ganns.is_excluded(%(refused)s::jsonb, w.login, w.name)
), broken AS (
    SELECT failed.unit, failed.reason FROM failed, present
    WHERE cardinality(failed.workers) >= 3 OR (failed.num >= 3 AND present.workers <@ failed.workers)
)
SELECT u.unit, u.job_id, b.unit IS NOT NULL OR coalesce(j.status = 'failed', false) AS poison,
       coalesce(b.reason, (SELECT r.traceback FROM ganns.task_results r WHERE r.job_id = u.job_id),
                (SELECT a.traceback FROM ganns.task_attempts a WHERE a.job_id = u.job_id AND a.traceback IS NOT NULL
                 ORDER BY a.attempt DESC LIMIT 1), 'no traceback was kept') AS reason
FROM ganns.units u
LEFT JOIN procrastinate.procrastinate_jobs j ON j.id = u.job_id
LEFT JOIN broken b ON b.unit = u.unit
WHERE u.run_id = %(run_id)s AND u.round = %(round)s
  AND (j.id IS NULL OR j.status NOT IN ('todo', 'doing') OR b.unit IS NOT NULL)
  AND NOT EXISTS (SELECT FROM ganns.results r WHERE r.run_id = u.run_id AND r.round = u.round AND r.unit = u.unit)
  AND NOT EXISTS (SELECT FROM ganns.skipped s WHERE s.run_id = u.run_id AND s.round = u.round AND s.unit = u.unit)
ORDER BY u.unit;

-- skip_unit --
-- Set a poison unit aside: the round goes on without it
INSERT INTO ganns.skipped (run_id, round, unit, epoch, start, images, reason)
SELECT u.run_id, u.round, u.unit, u.epoch, u.start, u.count, %(reason)s FROM ganns.units u
WHERE u.run_id = %(run_id)s AND u.round = %(round)s AND u.unit = %(unit)s
ON CONFLICT DO NOTHING;

-- revoke_left_over --
-- Revoke jobs of closed rounds that were locked when their round closed
SELECT ganns.revoke_unlocked(array_agg(j.id)) AS num_locked
FROM ganns.units u JOIN ganns.rounds r ON r.run_id = u.run_id AND r.round = u.round
JOIN procrastinate.procrastinate_jobs j ON j.id = u.job_id
WHERE u.run_id = %(run_id)s AND r.closed_at IS NOT NULL
  AND (j.status = 'todo' OR (j.status = 'doing' AND NOT j.abort_requested))
HAVING count(*) > 0;

-- delete_finished_jobs --
-- Delete the finished jobs of a run's closed rounds
DELETE FROM procrastinate.procrastinate_jobs j
USING ganns.units u JOIN ganns.rounds r ON r.run_id = u.run_id AND r.round = u.round
WHERE j.id = u.job_id AND u.run_id = %(run_id)s AND r.closed_at IS NOT NULL
  AND j.status NOT IN ('todo', 'doing');

-- delete_old_units --
-- Delete closed rounds' units, except those of the last rounds: crediting a late result needs them
DELETE FROM ganns.units u USING ganns.rounds r
WHERE r.run_id = u.run_id AND r.round = u.round AND u.run_id = %(run_id)s
  AND r.closed_at IS NOT NULL AND u.round < %(before_round)s
  AND NOT EXISTS (SELECT FROM procrastinate.procrastinate_jobs j WHERE j.id = u.job_id);
