-- strategy.pipeline: the next round is open, and its units are computed, while this one is being aggregated.

-- Which version's weights the round's units are computed at: the round's own, or the one before
ALTER TABLE ganns.rounds ADD COLUMN weights_version integer;
UPDATE ganns.rounds SET weights_version = round;
ALTER TABLE ganns.rounds ALTER COLUMN weights_version SET NOT NULL,
    ADD CHECK (weights_version BETWEEN 0 AND round AND weights_version >= round - 1);

-- Two rounds may be open, the one that is next to be closed and the one after it. A third would share its parity with
-- one of them, so it is still the database that prevents it.
DROP INDEX ganns.rounds_one_open;
CREATE UNIQUE INDEX rounds_two_open ON ganns.rounds (run_id, (round % 2)) WHERE closed_at IS NULL;

DROP FUNCTION ganns_api.claim(bigint, integer, bigint);
CREATE FUNCTION ganns_api.claim(_job_id bigint, _attempt integer, _worker_id bigint)
    RETURNS TABLE (run_id bigint, round integer, unit integer, epoch integer, start integer, count integer,
                   weights_version integer)
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    -- No row means: closed, done, deferred again under another job, or rescued and given to a later attempt.
    UPDATE ganns.units u SET attempt = _attempt, claimed_at = now(), claimed_by = _worker_id
    FROM ganns.rounds r
    WHERE u.job_id = _job_id AND u.attempt <= _attempt
      AND r.run_id = u.run_id AND r.round = u.round AND r.closed_at IS NULL
      AND NOT EXISTS (SELECT FROM ganns.results s
                      WHERE s.run_id = u.run_id AND s.round = u.round AND s.unit = u.unit)
    RETURNING u.run_id, u.round, u.unit, u.epoch, u.start, u.count, r.weights_version
$$;
