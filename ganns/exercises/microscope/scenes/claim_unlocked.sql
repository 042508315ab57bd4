-- scene: Two workers claim a job, without a lock
-- Each worker looks for a free job, and then takes it. Between the two statements, another worker can look, too.
-- watch: jobs
-- see also: claim_skip_locked

-- setup
CREATE TABLE jobs (id int PRIMARY KEY, worker text);
INSERT INTO jobs VALUES (1), (2);
CREATE TABLE handed_out (job int, worker text);

-- session: ada
BEGIN;
-- Which job is free?
SELECT id FROM jobs WHERE worker IS NULL ORDER BY id LIMIT 1 \gset
-- Take it.
UPDATE jobs SET worker = 'ada' WHERE id = :id;
INSERT INTO handed_out VALUES (:id, 'ada');
COMMIT;

-- session: bob
BEGIN;
-- Which job is free?
SELECT id FROM jobs WHERE worker IS NULL ORDER BY id LIMIT 1 \gset
-- Take it.
UPDATE jobs SET worker = 'bob' WHERE id = :id;
INSERT INTO handed_out VALUES (:id, 'bob');
COMMIT;

-- promise: Two different jobs are handed out.
SELECT count(DISTINCT job) = 2, string_agg(job::text, ' and ' ORDER BY job) AS jobs FROM handed_out;
