-- Exercise 3: the tables, and functions for the rest of the class. Do not change this file; load it again to start again.
-- The task is in docs/exercises/3-exactly-once.md.

DROP SCHEMA IF EXISTS exercise CASCADE;
CREATE SCHEMA exercise;

-- One row for each job. attempts is the number of times that it was handed out: the first attempt is 1.
CREATE TABLE exercise.jobs (
    id int PRIMARY KEY,
    status text NOT NULL DEFAULT 'todo' CHECK (status IN ('todo', 'doing', 'done')),
    attempts int NOT NULL DEFAULT 0,
    worker text
);
INSERT INTO exercise.jobs (id) VALUES (1), (2), (3);

-- The results: each row is added to the model. On purpose, there is no unique key; the functions must prevent duplicates.
CREATE TABLE exercise.results (
    job int NOT NULL,
    attempt int NOT NULL,
    value text NOT NULL
);

-- The worker sent no sign of life for too long: its job may be handed out again. (It may only be asleep.)
CREATE FUNCTION exercise.rescue(which int) RETURNS void LANGUAGE sql AS $$
    UPDATE exercise.jobs SET status = 'todo', worker = NULL WHERE id = which AND status = 'doing'
$$;

-- The results that are stored for a job.
CREATE FUNCTION exercise.stored(which int) RETURNS TABLE (attempt int, value text) LANGUAGE sql AS $$
    SELECT r.attempt, r.value FROM exercise.results r WHERE r.job = which ORDER BY r.attempt, r.value
$$;

-- Whether the session with this process number waits for a lock of another session.
CREATE FUNCTION exercise.is_waiting(process int) RETURNS boolean LANGUAGE sql AS $$
    SELECT cardinality(pg_blocking_pids(process)) > 0
$$;

-- The status of a job.
CREATE FUNCTION exercise.status_of(which int) RETURNS text LANGUAGE sql AS $$
    SELECT j.status FROM exercise.jobs j WHERE j.id = which
$$;
