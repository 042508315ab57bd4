-- scene: The coordinator closes a round in one transaction, and is killed anywhere
-- Everything that closes a round is in one transaction, so it happens completely or not at all. The coordinator that
-- resumes finds the round open and does it again, or finds it closed and does nothing.
-- watch: rounds, slices
-- see also: close_in_two

-- setup
CREATE TABLE rounds (id int PRIMARY KEY, closed boolean NOT NULL DEFAULT false);
INSERT INTO rounds VALUES (1);
CREATE TABLE slices (id int PRIMARY KEY, place text NOT NULL);
INSERT INTO slices VALUES (1, 'result'), (2, 'in work');

-- session: first, may be killed
BEGIN;
-- Close the round, and accept the slices with a result.
UPDATE rounds SET closed = true WHERE id = 1 AND NOT closed;
UPDATE slices SET place = 'accepted' WHERE place = 'result';
-- Carry the others into the next round.
UPDATE slices SET place = 'carried' WHERE place = 'in work';
COMMIT;

-- session: second, after first
-- Resume: the round is closed already, or this closes it, with all that belongs to it.
BEGIN;
UPDATE rounds SET closed = true WHERE id = 1 AND NOT closed RETURNING id \gset
UPDATE slices SET place = CASE place WHEN 'result' THEN 'accepted' ELSE 'carried' END WHERE :id = 1;
COMMIT;

-- promise: Each slice is accepted or carried.
SELECT bool_and(place IN ('accepted', 'carried')), string_agg(place, ' and ' ORDER BY id) AS places FROM slices;
