-- scene: Exercise 3: two workers claim with your function
-- Ada and Bob claim at the same moment. `ganns microscope search exactly_once_claims.sql` plays all orders.
-- watch: exercise.jobs

-- setup
\i exactly_once_tables.sql
\i exactly_once.sql
CREATE TABLE exercise.handed_out (job int, worker text);

-- session: ada
BEGIN;
SELECT job_id FROM exercise.claim('ada') \gset
INSERT INTO exercise.handed_out VALUES (:job_id, 'ada');
COMMIT;

-- session: bob
BEGIN;
SELECT job_id FROM exercise.claim('bob') \gset
INSERT INTO exercise.handed_out VALUES (:job_id, 'bob');
COMMIT;

-- promise: Two different jobs are handed out.
SELECT count(DISTINCT job) = 2 FROM exercise.handed_out;
