-- scene: Two looks in one transaction, with READ COMMITTED
-- This is the default. Each statement has a snapshot of its own: it sees what was committed when the statement began. So
-- the second look can see more than the first one.
-- watch: results
-- see also: repeatable_read

-- setup
CREATE TABLE results (worker text);
CREATE TABLE looks (first int, second int);

-- session: ada
BEGIN;
SELECT count(*) AS first FROM results \gset
SELECT count(*) AS second FROM results \gset
INSERT INTO looks VALUES (:first, :second);
COMMIT;

-- session: bob
INSERT INTO results VALUES ('bob');

-- promise: Both looks of one transaction see the same.
SELECT bool_and(first = second), max(first) AS first, max(second) AS second FROM looks;
