-- scene: Two coordinators of one run: the first was only slow, and checks its lease too early
-- The first coordinator reads that it has the lease, and then publishes. In between, another one takes over and
-- publishes.
-- watch: runs, versions
-- see also: lease_checked

-- setup
CREATE TABLE runs (id int PRIMARY KEY, generation int NOT NULL);
INSERT INTO runs VALUES (7, 1);
CREATE TABLE versions (version int, generation int);

-- session: first
BEGIN;
-- Do I have the lease, generation 1?
SELECT generation = 1 AS mine FROM runs WHERE id = 7 \gset
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
