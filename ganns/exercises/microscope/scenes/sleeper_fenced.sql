-- scene: A sleeping worker wakes up after its unit went to another one, with a fence
-- A result is stored only for the attempt that is in the unit's row, and this row is locked. The rescue does not take a
-- unit that has a result. So the session that locks the row first wins, and the other one finds out.
-- watch: units, results
-- see also: sleeper_unfenced

-- setup
CREATE TABLE units (id int PRIMARY KEY, attempt int NOT NULL, done boolean NOT NULL DEFAULT false);
INSERT INTO units VALUES (1, 1);
CREATE TABLE results (unit int, attempt int);

-- session: ada
BEGIN;
-- The fence: am I still the attempt that holds the unit?
UPDATE units SET done = true WHERE id = 1 AND attempt = 1 AND NOT done RETURNING attempt \gset
INSERT INTO results SELECT 1, 1 WHERE :attempt = 1;
COMMIT;

-- session: bob
-- The rescue: Ada has been silent for too long.
UPDATE units SET attempt = 2 WHERE id = 1 AND NOT done;
BEGIN;
-- The fence.
UPDATE units SET done = true WHERE id = 1 AND attempt = 2 AND NOT done RETURNING attempt \gset
INSERT INTO results SELECT 1, 2 WHERE :attempt = 2;
COMMIT;

-- promise: The unit has exactly one result, and it is the attempt's that holds the unit.
SELECT
    count(*) = 1 AND bool_and(r.attempt = u.attempt),
    string_agg(r.attempt::text, ' and ' ORDER BY r.attempt) AS attempts
FROM results r, units u;
