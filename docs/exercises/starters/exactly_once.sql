-- Exercise 3: exactly once. The task is in docs/exercises/3-exactly-once.md.
-- Both functions are broken. Show it in two psql sessions, repair the functions, and type `ganns exercise check 3`.
-- Load exactly_once_tables.sql first, then this file. You may load both again at any time.

-- Hand out the first job in the state 'todo': its number, and the number of this attempt. No row if there is no such job.
CREATE OR REPLACE FUNCTION exercise.claim(worker_name text) RETURNS TABLE (job_id int, attempt_no int)
LANGUAGE sql AS $$
    WITH chosen AS (
        SELECT id FROM exercise.jobs
        WHERE status = 'todo'
        ORDER BY id
        LIMIT 1
    )
    UPDATE exercise.jobs
    SET status = 'doing', attempts = attempts + 1, worker = worker_name
    FROM chosen
    WHERE jobs.id = chosen.id
    RETURNING jobs.id, jobs.attempts
$$;

-- Store the result of an attempt, and answer
--   'stored'     this attempt holds the job, and has no result yet: the job is now done;
--   'duplicate'  this attempt's result is already stored: nothing changes;
--   'stale'      this attempt does not hold the job any more: nothing changes.
CREATE OR REPLACE FUNCTION exercise.submit(job_id int, attempt_no int, result text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO exercise.results (job, attempt, value) VALUES (job_id, attempt_no, result);
    UPDATE exercise.jobs SET status = 'done' WHERE id = job_id;
    RETURN 'stored';
END
$$;
