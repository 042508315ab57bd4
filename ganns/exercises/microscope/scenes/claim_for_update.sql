-- scene: Two workers claim a job with FOR UPDATE
-- The row is locked in the statement that chooses it. No job is handed out twice; but a worker has to wait for the one
-- before, and of a hundred workers each for all others.
-- watch: jobs
-- see also: claim_skip_locked

-- setup
CREATE TABLE jobs (id int PRIMARY KEY, worker text);
INSERT INTO jobs VALUES (1), (2);
CREATE TABLE handed_out (job int, worker text);

-- session: ada
BEGIN;
-- Choose a free job, and lock its row.
SELECT id FROM jobs WHERE worker IS NULL ORDER BY id LIMIT 1 FOR UPDATE \gset
UPDATE jobs SET worker = 'ada' WHERE id = :id;
INSERT INTO handed_out VALUES (:id, 'ada');
COMMIT;

-- session: bob
BEGIN;
-- Choose a free job, and lock its row.
SELECT id FROM jobs WHERE worker IS NULL ORDER BY id LIMIT 1 FOR UPDATE \gset
UPDATE jobs SET worker = 'bob' WHERE id = :id;
INSERT INTO handed_out VALUES (:id, 'bob');
COMMIT;

-- promise: Two different jobs are handed out.
SELECT count(DISTINCT job) = 2, string_agg(job::text, ' and ' ORDER BY job) AS jobs FROM handed_out;
