-- strategy.per_class: the number of workers chooses the settings of each round, and they stand in the round's row.

-- All are NULL without strategy.per_class: then the run's configuration holds
ALTER TABLE ganns.rounds
    ADD COLUMN class_size integer CHECK (class_size >= 1),  -- the row of the table in ganns/training/per_class.py
    ADD COLUMN unit_images integer CHECK (unit_images BETWEEN 2 AND 65536),
    ADD COLUMN micro_batch integer CHECK (micro_batch BETWEEN 2 AND unit_images),
    ADD COLUMN lr_g double precision CHECK (lr_g BETWEEN 0 AND 1),
    ADD COLUMN lr_d double precision CHECK (lr_d BETWEEN 0 AND 1),
    ADD CHECK (num_nulls(class_size, unit_images, micro_batch, lr_g, lr_d) IN (0, 5));

DROP FUNCTION ganns_api.claim(bigint, integer, bigint);
CREATE FUNCTION ganns_api.claim(_job_id bigint, _attempt integer, _worker_id bigint)
    RETURNS TABLE (run_id bigint, round integer, unit integer, epoch integer, start integer, count integer,
                   weights_version integer, class_size integer, unit_images integer, micro_batch integer,
                   lr_g double precision, lr_d double precision)
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
    RETURNING u.run_id, u.round, u.unit, u.epoch, u.start, u.count, r.weights_version,
              r.class_size, r.unit_images, r.micro_batch, r.lr_g, r.lr_d
$$;
