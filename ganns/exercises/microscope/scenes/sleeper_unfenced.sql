-- scene: A sleeping worker wakes up after its unit went to another one, without a fence
-- Ada holds attempt 1 and falls asleep. The rescue gives the unit to Bob, as attempt 2. Both submit.
-- watch: units, results
-- see also: sleeper_fenced

-- setup
CREATE TABLE units (id int PRIMARY KEY, attempt int NOT NULL);
INSERT INTO units VALUES (1, 1);
CREATE TABLE results (unit int, attempt int);

-- session: ada
-- Ada submits attempt 1.
INSERT INTO results VALUES (1, 1);

-- session: bob
-- The rescue: Ada has been silent for too long.
UPDATE units SET attempt = 2 WHERE id = 1 AND NOT EXISTS (SELECT FROM results) RETURNING attempt \gset
-- Bob submits attempt 2, if it is his.
INSERT INTO results SELECT 1, 2 WHERE :attempt = 2;

-- promise: The unit has exactly one result, and it is the attempt's that holds the unit.
SELECT
    count(*) = 1 AND bool_and(r.attempt = u.attempt),
    string_agg(r.attempt::text, ' and ' ORDER BY r.attempt) AS attempts
FROM results r, units u;
