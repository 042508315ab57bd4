-- scene: The coordinator closes a round in two transactions, and is killed between them
-- One transaction closes the round and publishes the version, another one keeps the slices whose units had no result. A
-- coordinator that is killed between the two leaves a slice nowhere: its image would not come again in this epoch.
-- watch: rounds, slices
-- see also: close_in_one

-- setup
CREATE TABLE rounds (id int PRIMARY KEY, closed boolean NOT NULL DEFAULT false);
INSERT INTO rounds VALUES (1);
CREATE TABLE slices (id int PRIMARY KEY, place text NOT NULL);
INSERT INTO slices VALUES (1, 'result'), (2, 'in work');

-- session: first, may be killed
-- Close the round, and accept the slices with a result.
BEGIN;
UPDATE rounds SET closed = true WHERE id = 1 AND NOT closed;
UPDATE slices SET place = 'accepted' WHERE place = 'result';
COMMIT;
-- Carry the others into the next round.
UPDATE slices SET place = 'carried' WHERE place = 'in work';

-- session: second, after first
-- Resume: the round is closed already, or this closes it, with all that belongs to it.
BEGIN;
UPDATE rounds SET closed = true WHERE id = 1 AND NOT closed RETURNING id \gset
UPDATE slices SET place = CASE place WHEN 'result' THEN 'accepted' ELSE 'carried' END WHERE :id = 1;
COMMIT;

-- promise: Each slice is accepted or carried.
SELECT bool_and(place IN ('accepted', 'carried')), string_agg(place, ' and ' ORDER BY id) AS places FROM slices;
