-- scene: A worker submits while the coordinator closes the round, without locks
-- The worker reads that the round is open, and then stores its result. In between, the coordinator closes the round and
-- counts. So the worker was told that its result is stored, but the result is neither counted nor late.
-- watch: rounds, results
-- see also: submit_locked

-- setup
CREATE TABLE rounds (id int PRIMARY KEY, closed boolean NOT NULL DEFAULT false);
INSERT INTO rounds VALUES (1);
CREATE TABLE results (worker text, counted boolean NOT NULL DEFAULT false);

-- session: worker
BEGIN;
-- Is the round open?
SELECT NOT closed AS is_open FROM rounds WHERE id = 1 \gset
-- If so, store the result.
INSERT INTO results SELECT 'ada' WHERE :is_open;
COMMIT;

-- session: coordinator
BEGIN;
-- Close the round.
UPDATE rounds SET closed = true WHERE id = 1;
-- Count what is there.
UPDATE results SET counted = true;
COMMIT;

-- promise: A result that was stored was counted.
SELECT coalesce(bool_and(counted), true), count(*) AS stored, count(*) FILTER (WHERE counted) AS counted FROM results;
