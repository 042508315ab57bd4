-- scene: Two workers claim a job with FOR UPDATE SKIP LOCKED
-- The row is locked in the statement that chooses it, and a row that another session has locked is skipped. Both workers
-- get a job, and none has to wait. procrastinate hands out jobs in this way.
-- watch: jobs
-- see also: claim_unlocked

-- setup
CREATE TABLE jobs (id int PRIMARY KEY, worker text);
INSERT INTO jobs VALUES (1), (2);
CREATE TABLE handed_out (job int, worker text);

-- session: ada
BEGIN;
-- Choose a free job that nobody has locked, and lock it.
SELECT id FROM jobs WHERE worker IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED \gset
UPDATE jobs SET worker = 'ada' WHERE id = :id;
INSERT INTO handed_out VALUES (:id, 'ada');
COMMIT;

-- session: bob
BEGIN;
-- Choose a free job that nobody has locked, and lock it.
SELECT id FROM jobs WHERE worker IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED \gset
UPDATE jobs SET worker = 'bob' WHERE id = :id;
INSERT INTO handed_out VALUES (:id, 'bob');
COMMIT;

-- promise: Two different jobs are handed out.
SELECT count(DISTINCT job) = 2, string_agg(job::text, ' and ' ORDER BY job) AS jobs FROM handed_out;
