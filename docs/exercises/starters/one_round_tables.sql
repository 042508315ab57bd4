-- Exercise 6: the tables, and functions for the rest of the class. Do not change this file; load it again to start again.
-- The task is in docs/exercises/6-one-round.md.

DROP SCHEMA IF EXISTS exercise CASCADE;
CREATE SCHEMA exercise;

-- One row for each round. A round can be closed as soon as it has as many results as its quorum.
CREATE TABLE exercise.rounds (
    number int PRIMARY KEY,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')),
    quorum int NOT NULL
);

-- The units of each round. attempts is the number of times that a unit was handed out: the first attempt is 1.
CREATE TABLE exercise.units (
    round int NOT NULL REFERENCES exercise.rounds,
    unit int NOT NULL,
    status text NOT NULL DEFAULT 'todo' CHECK (status IN ('todo', 'doing', 'done', 'cancelled')),
    attempts int NOT NULL DEFAULT 0,
    worker text,
    PRIMARY KEY (round, unit)
);

-- The results; a gradient has only one number here. accepted: whether it is in the version that the round made.
-- On purpose, this table and the next one have no unique key; the functions must prevent duplicates.
CREATE TABLE exercise.results (
    round int NOT NULL,
    unit int NOT NULL,
    attempt int NOT NULL,
    value numeric NOT NULL,
    accepted boolean NOT NULL DEFAULT false
);

-- Round 0 makes version 1, and so on.
CREATE TABLE exercise.versions (
    number int NOT NULL,
    value numeric NOT NULL
);

INSERT INTO exercise.versions VALUES (0, 0);
INSERT INTO exercise.rounds (number, quorum) VALUES (0, 2);
INSERT INTO exercise.units (round, unit) VALUES (0, 1), (0, 2), (0, 3);

-- The worker sent no sign of life for too long: its unit may be handed out again. (It may only be asleep.)
CREATE FUNCTION exercise.rescue(round_no int, unit_no int) RETURNS void LANGUAGE sql AS $$
    UPDATE exercise.units SET status = 'todo', worker = NULL
    WHERE round = round_no AND unit = unit_no AND status = 'doing'
$$;

-- What the tables hold for a round, in words: its status, its units, its results; and the versions.
CREATE FUNCTION exercise.status_of(round_no int) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce((SELECT status || ', quorum ' || quorum FROM exercise.rounds WHERE number = round_no), 'missing')
$$;
CREATE FUNCTION exercise.units_of(round_no int) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(unit || ' ' || status, ', ' ORDER BY unit), 'none')
    FROM exercise.units WHERE round = round_no
$$;
CREATE FUNCTION exercise.results_of(round_no int) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(
        string_agg(
            format('unit %s attempt %s: %s%s', unit, attempt, trim_scale(value), CASE WHEN accepted THEN ' accepted' END),
            ', ' ORDER BY unit, attempt
        ),
        'none'
    )
    FROM exercise.results WHERE round = round_no
$$;
CREATE FUNCTION exercise.all_versions() RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(number || ': ' || trim_scale(round(value, 6)), ', ' ORDER BY number), 'none')
    FROM exercise.versions
$$;

-- Whether the session with this process number waits for a lock of another session.
CREATE FUNCTION exercise.is_waiting(process int) RETURNS boolean LANGUAGE sql AS $$
    SELECT cardinality(pg_blocking_pids(process)) > 0
$$;
