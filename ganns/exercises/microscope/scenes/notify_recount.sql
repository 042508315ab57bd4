-- scene: The coordinator waits at most a second, and counts again
-- A notification is only a hint. Whether it comes, comes twice or is lost, the coordinator counts again after a second at
-- most: it counts rows, and rows are not lost.
-- watch: results, seen
-- see also: notify_lost

-- setup
CREATE TABLE results (worker text);
CREATE TABLE seen (results int);
INSERT INTO seen VALUES (0);

-- session: coordinator
-- Count the results.
UPDATE seen SET results = (SELECT count(*) FROM results);
LISTEN results;
-- Wait for a notification that there is a new one; a second at most.
\wait 1
-- Count again.
UPDATE seen SET results = (SELECT count(*) FROM results);

-- session: worker
BEGIN;
INSERT INTO results VALUES ('ada');
NOTIFY results;
COMMIT;

-- promise: The coordinator has seen the result.
SELECT results = 1, results AS seen FROM seen;
