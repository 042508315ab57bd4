-- scene: Two members of a chord lock the group's row, but each has one snapshot for its whole transaction
-- With REPEATABLE READ, the count is as old as the transaction's first statement. The lock does not help: the second
-- member waits for the first, and then counts what there was before.
-- watch: results, bodies
-- see also: chord_locked

-- setup
CREATE TABLE groups (id int PRIMARY KEY, closed boolean NOT NULL DEFAULT false);
INSERT INTO groups VALUES (1);
CREATE TABLE results (member text PRIMARY KEY);
CREATE TABLE bodies (started_by text);

-- session: ada
BEGIN ISOLATION LEVEL REPEATABLE READ;
-- Store my result.
INSERT INTO results VALUES ('ada');
-- Lock the group.
SELECT closed FROM groups WHERE id = 1 FOR UPDATE;
-- Are both here?
SELECT count(*) AS n FROM results \gset
-- If so, start the body.
INSERT INTO bodies SELECT 'ada' WHERE :n = 2;
COMMIT;

-- session: bob
BEGIN ISOLATION LEVEL REPEATABLE READ;
-- Store my result.
INSERT INTO results VALUES ('bob');
-- Lock the group.
SELECT closed FROM groups WHERE id = 1 FOR UPDATE;
-- Are both here?
SELECT count(*) AS n FROM results \gset
-- If so, start the body.
INSERT INTO bodies SELECT 'bob' WHERE :n = 2;
COMMIT;

-- promise: The body is started exactly once.
SELECT count(*) = 1, count(*) AS bodies FROM bodies;
