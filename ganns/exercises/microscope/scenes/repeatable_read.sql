-- scene: Two looks in one transaction, with REPEATABLE READ
-- The whole transaction has one snapshot, taken by its first statement. Bob's row is there, and committed; Ada's
-- transaction does not see it. Good for a report, wrong for counting after a lock.
-- watch: results
-- see also: read_committed

-- setup
CREATE TABLE results (worker text);
CREATE TABLE looks (first int, second int);

-- session: ada
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) AS first FROM results \gset
SELECT count(*) AS second FROM results \gset
INSERT INTO looks VALUES (:first, :second);
COMMIT;

-- session: bob
INSERT INTO results VALUES ('bob');

-- promise: Both looks of one transaction see the same.
SELECT bool_and(first = second), max(first) AS first, max(second) AS second FROM looks;
