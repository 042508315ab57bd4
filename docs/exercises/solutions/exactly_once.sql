-- Exercise 3: a solution.

-- FOR UPDATE locks the chosen row before any session can change it. SKIP LOCKED skips rows that another session has
-- locked, instead of waiting for them: the second worker gets the second job at once.
CREATE OR REPLACE FUNCTION exercise.claim(worker_name text) RETURNS TABLE (job_id int, attempt_no int)
LANGUAGE sql AS $$
    WITH chosen AS (
        SELECT id FROM exercise.jobs
        WHERE status = 'todo'
        ORDER BY id
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    UPDATE exercise.jobs
    SET status = 'doing', attempts = attempts + 1, worker = worker_name
    FROM chosen
    WHERE jobs.id = chosen.id
    RETURNING jobs.id, jobs.attempts
$$;

-- The fence is the first UPDATE. It checks and locks in one step: if another session is changing the row, it waits, and then
-- checks the row that this session committed. If we read with SELECT and then inserted, the row could change in between.
CREATE OR REPLACE FUNCTION exercise.submit(job_id int, attempt_no int, result text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE exercise.jobs SET status = 'done'
    WHERE id = job_id AND attempts = attempt_no AND status = 'doing';
    IF FOUND THEN
        INSERT INTO exercise.results (job, attempt, value) VALUES (job_id, attempt_no, result);
        RETURN 'stored';
    END IF;
    IF EXISTS (SELECT FROM exercise.results r WHERE r.job = job_id AND r.attempt = attempt_no) THEN
        RETURN 'duplicate';
    END IF;
    RETURN 'stale';
END
$$;
