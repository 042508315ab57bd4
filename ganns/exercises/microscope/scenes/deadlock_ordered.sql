-- scene: Two sessions lock two rows, both in the same order
-- Who has the first row also gets the second one; the other one waits before it holds anything. There is no circle.
-- watch: units
-- see also: deadlock

-- setup
CREATE TABLE units (id int PRIMARY KEY, results int NOT NULL DEFAULT 0);
INSERT INTO units VALUES (1), (2);

-- session: ada
BEGIN;
UPDATE units SET results = results + 1 WHERE id = 1;
UPDATE units SET results = results + 1 WHERE id = 2;
COMMIT;

-- session: bob
BEGIN;
UPDATE units SET results = results + 1 WHERE id = 1;
UPDATE units SET results = results + 1 WHERE id = 2;
COMMIT;

-- promise: Both have counted both units.
SELECT bool_and(results = 2) FROM units;
