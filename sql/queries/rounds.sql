-- Rounds, their units, and the jobs behind the units.

-- insert_round --
-- Open a round; the deadline is the server's clock
INSERT INTO ganns.rounds (run_id, round, weights_version, quorum, deadline_at)
VALUES (%(run_id)s, %(round)s, %(weights_version)s, %(quorum)s, now() + make_interval(secs => %(deadline_s)s::float8));

-- insert_units --
-- Remember which job carries which slice (the jobs' own arguments say which unit they are)
INSERT INTO ganns.units (run_id, round, unit, epoch, start, count, job_id)
SELECT %(run_id)s, %(round)s, s.unit, s.epoch, s.start, s.count, j.id
FROM unnest(%(units)s::integer[], %(epochs)s::integer[], %(starts)s::integer[], %(counts)s::integer[])
     AS s(unit, epoch, start, count)
JOIN procrastinate.procrastinate_jobs j ON j.id = ANY(%(job_ids)s::bigint[]) AND (j.args ->> 'unit')::integer = s.unit;

-- replace_jobs --
-- Give open units new jobs; whoever still holds an old one cannot submit any more
UPDATE ganns.units u SET job_id = new.job_id, attempt = 0, claimed_at = NULL, claimed_by = NULL
FROM unnest(%(units)s::integer[], %(job_ids)s::bigint[]) AS new(unit, job_id)
WHERE u.run_id = %(run_id)s AND u.round = %(round)s AND u.unit = new.unit;

-- open_rounds --
-- The run's open rounds, oldest first, with what is left of their deadlines in seconds (negative: passed)
SELECT round, weights_version, quorum, extract(epoch FROM deadline_at - now())::float8 AS deadline_in_s
FROM ganns.rounds WHERE run_id = %(run_id)s AND closed_at IS NULL ORDER BY round;

-- rebase_round --
-- An open round is computed anew, at another version; submissions wait for the end of the transaction
UPDATE ganns.rounds SET weights_version = %(weights_version)s
WHERE run_id = %(run_id)s AND round = %(round)s AND closed_at IS NULL;

-- restart_deadline --
-- A round that was opened ahead is next: its time runs from now on
UPDATE ganns.rounds SET deadline_at = now() + make_interval(secs => %(deadline_s)s::float8)
WHERE run_id = %(run_id)s AND round = %(round)s AND closed_at IS NULL;

-- list_units --
-- A round's units
SELECT u.unit, u.epoch, u.start, u.count, u.job_id, u.attempt, u.refused_from, s.unit IS NOT NULL AS skipped
FROM ganns.units u LEFT JOIN ganns.skipped s ON s.run_id = u.run_id AND s.round = u.round AND s.unit = u.unit
WHERE u.run_id = %(run_id)s AND u.round = %(round)s ORDER BY u.unit;

-- lock_round --
-- Close the door: a submission now either finds its result stored before us, or the round closed
SELECT round FROM ganns.rounds
WHERE run_id = %(run_id)s AND round = %(round)s AND closed_at IS NULL FOR UPDATE;

-- close_round --
-- The round is over
UPDATE ganns.rounds SET closed_at = now() WHERE run_id = %(run_id)s AND round = %(round)s;

-- lost_units --
-- Open units without a result whose job is in a final state or gone: a server crash emptied the results, or a
-- sleeping worker finished a job that was no longer its own. One that failed is poison: every attempt of it did.
SELECT u.unit, coalesce(j.status = 'failed', false) AS poison,
       coalesce((SELECT r.traceback FROM ganns.task_results r WHERE r.job_id = u.job_id),
                (SELECT a.traceback FROM ganns.task_attempts a WHERE a.job_id = u.job_id AND a.traceback IS NOT NULL
                 ORDER BY a.attempt DESC LIMIT 1), 'no traceback was kept') AS reason
FROM ganns.units u
LEFT JOIN procrastinate.procrastinate_jobs j ON j.id = u.job_id
WHERE u.run_id = %(run_id)s AND u.round = %(round)s
  AND (j.id IS NULL OR j.status NOT IN ('todo', 'doing'))
  AND NOT EXISTS (SELECT FROM ganns.results r WHERE r.run_id = u.run_id AND r.round = u.round AND r.unit = u.unit)
  AND NOT EXISTS (SELECT FROM ganns.skipped s WHERE s.run_id = u.run_id AND s.round = u.round AND s.unit = u.unit)
ORDER BY u.unit;

-- skip_unit --
-- Set a poison unit aside: the round goes on without it
INSERT INTO ganns.skipped (run_id, round, unit, epoch, start, images, reason)
SELECT u.run_id, u.round, u.unit, u.epoch, u.start, u.count, %(reason)s FROM ganns.units u
WHERE u.run_id = %(run_id)s AND u.round = %(round)s AND u.unit = %(unit)s
ON CONFLICT DO NOTHING;

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
