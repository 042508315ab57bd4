-- What a worker says of a result: numbers with a type each, instead of JSON of any shape and depth. What does not fit is
-- refused where it comes in, and nothing that is stored can stop the coordinator.

-- Results are of open rounds: without them, their units are computed again
DELETE FROM ganns.results;
ALTER TABLE ganns.results
    DROP COLUMN report,
    -- As the worker says, and not checked here: a broken model has losses that are not finite, and the coordinator must see them
    ADD COLUMN d_loss double precision NOT NULL,
    ADD COLUMN g_loss double precision NOT NULL,
    ADD COLUMN d_real double precision NOT NULL,
    ADD COLUMN d_fake double precision NOT NULL,
    -- Seconds, each between 0 and the time since the claim by the server's clock; NaN is above all numbers
    ADD COLUMN fetch_s double precision NOT NULL CHECK (fetch_s BETWEEN 0 AND 1e9),
    ADD COLUMN load_s double precision NOT NULL CHECK (load_s BETWEEN 0 AND 1e9),
    ADD COLUMN compute_s double precision NOT NULL CHECK (compute_s BETWEEN 0 AND 1e9),
    ADD COLUMN upload_s double precision NOT NULL CHECK (upload_s BETWEEN 0 AND 1e9);

DELETE FROM ganns.result_parts;
ALTER TABLE ganns.result_parts
    ADD CHECK (role IN ('d', 'g')),
    ADD CHECK (octet_length(digest) <= 64);

DROP FUNCTION ganns_api.submit(bigint, integer, bigint, text[], jsonb);
CREATE FUNCTION ganns_api.submit(
    _job_id bigint, _attempt integer, _worker_id bigint,
    _d_loss double precision, _g_loss double precision, _d_real double precision, _d_fake double precision,
    _fetch_s double precision, _load_s double precision, _compute_s double precision, _upload_s double precision
) RETURNS text  -- 'stored', 'duplicate', 'late', 'stale', or 'incomplete' when a part was lost on the way
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    u ganns.units;
    closed timestamptz;
    _elapsed_s double precision;
BEGIN
    SELECT * INTO u FROM ganns.units WHERE job_id = _job_id;
    IF NOT FOUND THEN
        RETURN 'stale';
    END IF;
    -- The closing transaction holds this row FOR UPDATE: we either come before it, or see the round closed.
    SELECT closed_at INTO closed FROM ganns.rounds WHERE run_id = u.run_id AND round = u.round FOR SHARE;
    SELECT * INTO u FROM ganns.units WHERE job_id = _job_id FOR UPDATE;  -- a rescue may be moving it on
    -- Also stale: the job was queued again, by whichever rescuer, and no worker has claimed it yet.
    IF NOT FOUND OR u.attempt <> _attempt
       OR EXISTS (SELECT FROM procrastinate.procrastinate_jobs j WHERE j.id = _job_id
                  AND j.status IN ('todo', 'doing') AND j.attempts > _attempt) THEN
        RETURN 'stale';
    END IF;
    _elapsed_s := least(greatest(coalesce(extract(epoch FROM clock_timestamp() - u.claimed_at), 0), 0), 1e9);
    IF closed IS NOT NULL THEN  -- not checked by anyone: the seconds are the server's
        INSERT INTO ganns.ledger (run_id, round, unit, job_id, attempt, worker_id, epoch, start, images, seconds, accepted)
        VALUES (u.run_id, u.round, u.unit, _job_id, _attempt, _worker_id, u.epoch, u.start, u.count, _elapsed_s, false)
        ON CONFLICT DO NOTHING;
        RETURN 'late';
    END IF;
    IF EXISTS (SELECT FROM unnest(ARRAY['d', 'g']) AS wanted(role) WHERE NOT EXISTS (
            SELECT FROM ganns.result_parts p
            WHERE p.job_id = _job_id AND p.attempt = _attempt AND p.role = wanted.role AND p.chunk = 0)) THEN
        RETURN 'incomplete';
    END IF;
    INSERT INTO ganns.results (run_id, round, unit, job_id, attempt, worker_id, d_loss, g_loss, d_real, d_fake,
                               fetch_s, load_s, compute_s, upload_s)
    VALUES (u.run_id, u.round, u.unit, _job_id, _attempt, _worker_id, _d_loss, _g_loss, _d_real, _d_fake,
            least(greatest(_fetch_s, 0), _elapsed_s), least(greatest(_load_s, 0), _elapsed_s),
            least(greatest(_compute_s, 0), _elapsed_s), least(greatest(_upload_s, 0), _elapsed_s))
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'duplicate';
    END IF;
    PERFORM pg_notify('ganns_run_' || u.run_id, 'result');  -- delivered at commit; a hint, never the truth
    RETURN 'stored';
END
$$;

-- A worker whose results of a unit were refused three times gets this unit no more: another one does.
CREATE OR REPLACE FUNCTION ganns_api.claim(_job_id bigint, _attempt integer, _worker_id bigint)
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
      AND coalesce(cardinality(array_positions(u.refused_from, _worker_id)), 0) < 3
    RETURNING u.run_id, u.round, u.unit, u.epoch, u.start, u.count, r.weights_version
$$;
