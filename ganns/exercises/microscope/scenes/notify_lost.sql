-- scene: The coordinator counts, then listens, then waits: a notification is lost
-- A notification reaches only those who listen at that moment. What is sent between the count and LISTEN reaches nobody.
-- watch: results, seen
-- see also: notify_recount

-- setup
CREATE TABLE results (worker text);
CREATE TABLE seen (results int);
INSERT INTO seen VALUES (0);

-- session: coordinator
-- Count the results.
UPDATE seen SET results = (SELECT count(*) FROM results);
LISTEN results;
-- Wait for a notification that there is a new one.
\wait
UPDATE seen SET results = (SELECT count(*) FROM results);

-- session: worker
BEGIN;
INSERT INTO results VALUES ('ada');
NOTIFY results;
COMMIT;

-- promise: The coordinator has seen the result.
SELECT results = 1, results AS seen FROM seen;
