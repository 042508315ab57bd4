-- scene: Two coordinators of one run: each publishes only with the run's row locked
-- The first coordinator locks the run's row, and reads its generation there. If another one took over, it reads 2 and
-- writes nothing; if not, nobody can take over before its COMMIT.
-- watch: runs, versions
-- see also: lease_unchecked

-- setup
CREATE TABLE runs (id int PRIMARY KEY, generation int NOT NULL);
INSERT INTO runs VALUES (7, 1);
CREATE TABLE versions (version int, generation int);

-- session: first
BEGIN;
-- Do I have the lease, generation 1? Nobody may take it before my COMMIT.
SELECT generation = 1 AS mine FROM runs WHERE id = 7 FOR UPDATE \gset
-- If so, publish.
INSERT INTO versions SELECT 42, 1 WHERE :mine;
COMMIT;

-- session: second
BEGIN;
-- Take over: the lease is over.
UPDATE runs SET generation = 2 WHERE id = 7;
-- Publish what is not there yet.
INSERT INTO versions SELECT 42, 2 WHERE NOT EXISTS (SELECT FROM versions WHERE version = 42);
COMMIT;

-- promise: A version is published once.
SELECT count(*) = 1, string_agg(generation::text, ' and ') AS generations FROM versions;
