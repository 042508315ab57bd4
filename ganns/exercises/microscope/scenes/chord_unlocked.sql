-- scene: Two members of a chord finish together, and nobody locks the group
-- Each member stores its result, and counts. The one that finds both results starts the body.
-- watch: results, bodies
-- see also: chord_locked

-- setup
CREATE TABLE results (member text PRIMARY KEY);
CREATE TABLE bodies (started_by text);

-- session: ada
BEGIN;
-- Store my result.
INSERT INTO results VALUES ('ada');
-- Are both here?
SELECT count(*) AS n FROM results \gset
-- If so, start the body.
INSERT INTO bodies SELECT 'ada' WHERE :n = 2;
COMMIT;

-- session: bob
BEGIN;
-- Store my result.
INSERT INTO results VALUES ('bob');
-- Are both here?
SELECT count(*) AS n FROM results \gset
-- If so, start the body.
INSERT INTO bodies SELECT 'bob' WHERE :n = 2;
COMMIT;

-- promise: The body is started exactly once.
SELECT count(*) = 1, count(*) AS bodies FROM bodies;
