-- scene: Exercise 3: a sleeper submits with your function
-- Ada took job 1 and fell asleep. It is rescued, and handed out to Bob. Both submit, in any order.
-- watch: exercise.jobs, exercise.results

-- setup
\i exactly_once_tables.sql
\i exactly_once.sql
SELECT exercise.claim('ada');

-- session: ada
-- Ada wakes up, and submits attempt 1.
SELECT exercise.submit(1, 1, 'from ada');

-- session: bob
BEGIN;
SELECT exercise.rescue(1);
-- Job 1 again, as attempt 2; if Ada was faster, another job.
SELECT job_id, attempt_no FROM exercise.claim('bob') \gset
COMMIT;
SELECT exercise.submit(:job_id, :attempt_no, 'from bob');

-- promise: Job 1 has exactly one result, from the attempt that holds it.
SELECT count(*) = 1 AND bool_and(r.attempt = j.attempts)
FROM exercise.results r JOIN exercise.jobs j ON j.id = r.job WHERE j.id = 1;
