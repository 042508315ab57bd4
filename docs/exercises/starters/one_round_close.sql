-- scene: Exercise 6: a worker submits while the coordinator closes the round, with your functions
-- Units 1 and 2 have results, which is the quorum; Ada holds unit 3. `ganns microscope search one_round_close.sql` plays
-- all orders.
-- watch: exercise.rounds, exercise.results

-- setup
\i one_round_tables.sql
\i one_round.sql
SELECT exercise.claim('ada');
SELECT exercise.claim('bob');
SELECT exercise.claim('ada');
SELECT exercise.submit(0, 1, 1, 1);
SELECT exercise.submit(0, 2, 1, 4);

-- session: ada
BEGIN;
SELECT exercise.submit(0, 3, 1, 7);
COMMIT;

-- session: coordinator
BEGIN;
SELECT exercise.close(0);
COMMIT;

-- promise: Each result that was stored is in the version.
SELECT bool_and(accepted) AND round(avg(value), 6) = (SELECT round(value, 6) FROM exercise.versions WHERE number = 1)
FROM exercise.results WHERE round = 0;
