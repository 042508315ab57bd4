-- scene: A worker submits with FOR SHARE while the coordinator closes the round with FOR UPDATE
-- The two locks exclude each other. If the worker has the row first, closing waits, and then finds the result. If closing
-- has it first, the worker waits, and then reads that the round is closed. Many workers can hold FOR SHARE at once.
-- watch: rounds, results
-- see also: submit_unlocked

-- setup
CREATE TABLE rounds (id int PRIMARY KEY, closed boolean NOT NULL DEFAULT false);
INSERT INTO rounds VALUES (1);
CREATE TABLE results (worker text, counted boolean NOT NULL DEFAULT false);

-- session: worker
BEGIN;
-- Is the round open? Nobody may close it before my COMMIT.
SELECT NOT closed AS is_open FROM rounds WHERE id = 1 FOR SHARE \gset
-- If so, store the result.
INSERT INTO results SELECT 'ada' WHERE :is_open;
COMMIT;

-- session: coordinator
BEGIN;
-- Lock the round: no submit is on its way after this.
SELECT id FROM rounds WHERE id = 1 FOR UPDATE;
UPDATE rounds SET closed = true WHERE id = 1;
-- Count what is there.
UPDATE results SET counted = true;
COMMIT;

-- promise: A result that was stored was counted.
SELECT coalesce(bool_and(counted), true), count(*) AS stored, count(*) FILTER (WHERE counted) AS counted FROM results;
