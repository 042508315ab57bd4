-- Rounds, their units, and the jobs behind the units.

-- insert_round --
-- Open a round; the deadline is the server's clock
INSERT INTO ganns.rounds (run_id, round, quorum, deadline_at)
VALUES (%(run_id)s, %(round)s, %(quorum)s, now() + make_interval(secs => %(deadline_s)s::float8));

-- defer_units --
-- Enqueue one job for each unit, through procrastinate's own function, in the caller's transaction
SELECT procrastinate.procrastinate_defer_jobs_v1(array_agg(
    ROW(%(queue)s, %(task)s, 0, NULL, NULL,
        jsonb_build_object('run', %(run_id)s::bigint, 'round', %(round)s::integer, 'unit', unit), NULL
    )::procrastinate.procrastinate_job_to_defer_v1 ORDER BY unit)) AS job_ids
FROM unnest(%(units)s::integer[]) AS unit;

-- insert_units --
-- Remember which job carries which slice (the jobs' own arguments say which unit they are)
INSERT INTO ganns.units (run_id, round, unit, epoch, start, count, job_id)
SELECT %(run_id)s, %(round)s, s.unit, s.epoch, s.start, s.count, j.id
FROM unnest(%(units)s::integer[], %(epochs)s::integer[], %(starts)s::integer[], %(counts)s::integer[])
     AS s(unit, epoch, start, count)
JOIN procrastinate.procrastinate_jobs j ON j.id = ANY(%(job_ids)s::bigint[]) AND (j.args ->> 'unit')::integer = s.unit;

-- replace_jobs --
-- Give open units new jobs; whoever still holds an old one cannot submit any more
UPDATE ganns.units u SET job_id = j.id, attempt = 0, claimed_at = NULL, claimed_by = NULL
FROM procrastinate.procrastinate_jobs j
WHERE u.run_id = %(run_id)s AND u.round = %(round)s
  AND j.id = ANY(%(job_ids)s::bigint[]) AND (j.args ->> 'unit')::integer = u.unit;

-- open_round --
-- The run's open round, if there is one, with what is left of its deadline in seconds (negative: passed)
SELECT round, quorum, extract(epoch FROM deadline_at - now())::float8 AS deadline_in_s
FROM ganns.rounds WHERE run_id = %(run_id)s AND closed_at IS NULL;

-- list_units --
-- A round's units
SELECT unit, epoch, start, count, job_id, attempt, claimed_by, refused_from
FROM ganns.units WHERE run_id = %(run_id)s AND round = %(round)s ORDER BY unit;

-- lock_round --
-- Close the door: a submission now either finds its result stored before us, or the round closed
SELECT round FROM ganns.rounds
WHERE run_id = %(run_id)s AND round = %(round)s AND closed_at IS NULL FOR UPDATE;

-- close_round --
-- The round is over
UPDATE ganns.rounds SET closed_at = now() WHERE run_id = %(run_id)s AND round = %(round)s;

-- cancel_jobs --
-- Cancel the jobs that a closed round left over, in one statement: queued ones at once, running ones are told to stop
SELECT count(procrastinate.procrastinate_cancel_job_v1(j.id, true, false)) AS num_cancelled
FROM procrastinate.procrastinate_jobs j
JOIN ganns.units u ON u.job_id = j.id
WHERE u.run_id = %(run_id)s AND u.round = %(round)s AND j.status IN ('todo', 'doing')
  AND NOT EXISTS (SELECT FROM ganns.results r WHERE r.run_id = u.run_id AND r.round = u.round AND r.unit = u.unit);

-- lost_units --
-- Open units without a result whose job is in a final state or gone: a server crash emptied the results, or a
-- sleeping worker finished a job that was no longer its own
SELECT u.unit
FROM ganns.units u
LEFT JOIN procrastinate.procrastinate_jobs j ON j.id = u.job_id
WHERE u.run_id = %(run_id)s AND u.round = %(round)s
  AND (j.id IS NULL OR j.status NOT IN ('todo', 'doing'))
  AND NOT EXISTS (SELECT FROM ganns.results r WHERE r.run_id = u.run_id AND r.round = u.round AND r.unit = u.unit)
ORDER BY u.unit;

-- rescue_jobs --
-- Requeue the jobs of workers that are gone or silent, fence the old attempt off, and wake somebody: a retry is
-- an UPDATE, for which procrastinate notifies nobody
WITH stalled AS (
    SELECT j.id, j.queue_name, j.attempts
    FROM procrastinate.procrastinate_jobs j
    LEFT JOIN procrastinate.procrastinate_workers w ON w.id = j.worker_id
    WHERE j.status = 'doing' AND j.task_name = %(task)s
      AND (w.id IS NULL OR w.last_heartbeat < now() - make_interval(secs => %(silent_s)s))
    FOR UPDATE OF j SKIP LOCKED
), fenced AS (
    UPDATE ganns.units u SET attempt = s.attempts + 1 FROM stalled s WHERE u.job_id = s.id
)
SELECT s.id,
       procrastinate.procrastinate_retry_job_v2(s.id, NULL, NULL, NULL, NULL) AS retried,
       pg_notify('procrastinate_queue_v1#' || s.queue_name, note.text) AS woken,
       pg_notify('procrastinate_any_queue_v1', note.text) AS woken_any
FROM stalled s, LATERAL (SELECT json_build_object('type', 'job_inserted', 'job_id', s.id)::text) AS note(text);

-- delete_finished_jobs --
-- Forget the finished jobs of a run's closed rounds
DELETE FROM procrastinate.procrastinate_jobs j
USING ganns.units u JOIN ganns.rounds r ON r.run_id = u.run_id AND r.round = u.round
WHERE j.id = u.job_id AND u.run_id = %(run_id)s AND r.closed_at IS NOT NULL
  AND j.status NOT IN ('todo', 'doing');

-- delete_old_units --
-- Forget closed rounds' units, but for the last few: a late result is still credited by them
DELETE FROM ganns.units u USING ganns.rounds r
WHERE r.run_id = u.run_id AND r.round = u.round AND u.run_id = %(run_id)s
  AND r.closed_at IS NOT NULL AND u.round < %(before_round)s
  AND NOT EXISTS (SELECT FROM procrastinate.procrastinate_jobs j WHERE j.id = u.job_id);
