-- scene: Two sessions lock two rows, each in its own order
-- Each holds the row that the other one needs. The server finds the circle after a while, and ends one of the two with an
-- error; its transaction is undone.
-- watch: units
-- see also: deadlock_ordered

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
UPDATE units SET results = results + 1 WHERE id = 2;
UPDATE units SET results = results + 1 WHERE id = 1;
COMMIT;

-- promise: Both have counted both units.
SELECT bool_and(results = 2) FROM units;
