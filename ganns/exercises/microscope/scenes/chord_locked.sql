-- scene: Two members of a chord finish together, and lock the group's row first
-- Each member stores its result, locks the group's row, and only then counts. The second one waits for the COMMIT of the
-- first; its count is a new statement, so it sees both results. ganns.task_settle does this.
-- watch: results, bodies, groups
-- see also: chord_unlocked

-- setup
CREATE TABLE groups (id int PRIMARY KEY, closed boolean NOT NULL DEFAULT false);
INSERT INTO groups VALUES (1);
CREATE TABLE results (member text PRIMARY KEY);
CREATE TABLE bodies (started_by text);

-- session: ada
BEGIN;
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
BEGIN;
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
