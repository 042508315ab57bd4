-- Exercise 6: a solution.

CREATE OR REPLACE FUNCTION exercise.claim(worker_name text)
RETURNS TABLE (round_no int, unit_no int, attempt_no int)
LANGUAGE sql AS $$
    WITH chosen AS (
        SELECT round, unit FROM exercise.units
        WHERE status = 'todo'
        ORDER BY round, unit
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    UPDATE exercise.units
    SET status = 'doing', attempts = attempts + 1, worker = worker_name
    FROM chosen
    WHERE units.round = chosen.round AND units.unit = chosen.unit
    RETURNING units.round, units.unit, units.attempts
$$;

-- FOR SHARE: many may hold this lock at the same time, but none while close() holds FOR UPDATE, and the other way round. So
-- a result is stored before the round is closed, and then close() sees it; or this statement waits, and then finds the
-- round closed. The UPDATE is the fence, as in exercise 3.
CREATE OR REPLACE FUNCTION exercise.submit(round_no int, unit_no int, attempt_no int, result numeric) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM exercise.rounds WHERE number = round_no AND status = 'open' FOR SHARE;
    IF NOT FOUND THEN
        RETURN 'late';
    END IF;
    UPDATE exercise.units SET status = 'done'
    WHERE round = round_no AND unit = unit_no AND attempts = attempt_no AND status = 'doing';
    IF FOUND THEN
        INSERT INTO exercise.results (round, unit, attempt, value) VALUES (round_no, unit_no, attempt_no, result);
        RETURN 'stored';
    END IF;
    IF EXISTS (SELECT FROM exercise.results r WHERE r.round = round_no AND r.unit = unit_no AND r.attempt = attempt_no) THEN
        RETURN 'duplicate';
    END IF;
    RETURN 'stale';
END
$$;

-- The lock comes first: what is counted and averaged after it cannot change any more. A second coordinator waits here, and
-- then finds the round closed.
CREATE OR REPLACE FUNCTION exercise.close(round_no int) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    needed int;
BEGIN
    SELECT quorum INTO needed FROM exercise.rounds WHERE number = round_no AND status = 'open' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'closed before';
    END IF;
    IF (SELECT count(*) FROM exercise.results WHERE round = round_no) < needed THEN
        RETURN 'waiting';
    END IF;
    UPDATE exercise.results SET accepted = true WHERE round = round_no;
    INSERT INTO exercise.versions (number, value)
    SELECT round_no + 1, avg(value) FROM exercise.results WHERE round = round_no;
    UPDATE exercise.units SET status = 'cancelled' WHERE round = round_no AND status <> 'done';
    UPDATE exercise.rounds SET status = 'closed' WHERE number = round_no;
    INSERT INTO exercise.rounds (number, quorum) VALUES (round_no + 1, needed);
    INSERT INTO exercise.units (round, unit) SELECT round_no + 1, unit FROM exercise.units WHERE round = round_no;
    RETURN 'closed';
END
$$;
