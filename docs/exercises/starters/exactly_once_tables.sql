-- Exercise 3: the tables, and what plays the rest of the class. Not to be changed; load it again to begin anew.
-- The task is in docs/exercises/3-exactly-once.md.

DROP SCHEMA IF EXISTS exercise CASCADE;
CREATE SCHEMA exercise;

-- One row a job. attempts counts how often it was handed out: the first attempt is 1.
CREATE TABLE exercise.jobs (
    id int PRIMARY KEY,
    status text NOT NULL DEFAULT 'todo' CHECK (status IN ('todo', 'doing', 'done')),
    attempts int NOT NULL DEFAULT 0,
    worker text
);
INSERT INTO exercise.jobs (id) VALUES (1), (2), (3);

-- What was computed: each row is added to the model. There is no unique key, on purpose; the functions have to hold it.
CREATE TABLE exercise.results (
    job int NOT NULL,
    attempt int NOT NULL,
    value text NOT NULL
);

-- The worker was silent for too long: its job may be handed out again. (It may be asleep, and not know.)
CREATE FUNCTION exercise.rescue(which int) RETURNS void LANGUAGE sql AS $$
    UPDATE exercise.jobs SET status = 'todo', worker = NULL WHERE id = which AND status = 'doing'
$$;

-- What is stored for a job.
CREATE FUNCTION exercise.stored(which int) RETURNS TABLE (attempt int, value text) LANGUAGE sql AS $$
    SELECT r.attempt, r.value FROM exercise.results r WHERE r.job = which ORDER BY r.attempt, r.value
$$;

-- Does the session with this process number wait for another one's lock?
CREATE FUNCTION exercise.is_waiting(process int) RETURNS boolean LANGUAGE sql AS $$
    SELECT cardinality(pg_blocking_pids(process)) > 0
$$;

-- How a job stands.
CREATE FUNCTION exercise.status_of(which int) RETURNS text LANGUAGE sql AS $$
    SELECT j.status FROM exercise.jobs j WHERE j.id = which
$$;
