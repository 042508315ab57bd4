-- Uploads and downloads in pieces of the size that a link moves in a second, so that a cut costs one piece.

-- A part's rows are its pieces now. `chunk` is the number of a piece's first block, `num_chunks` the part's blocks.
-- Results of open rounds are computed again
DELETE FROM ganns.results;
DELETE FROM ganns.result_parts;

-- Without bytes it has one block. No SET, so that the planner can put the expression in place of the call
CREATE FUNCTION ganns.num_blocks(_data bytea) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT greatest(1, (octet_length(_data) + 65535) / 65536)
$$;

ALTER TABLE ganns.result_parts
    DROP CONSTRAINT result_parts_check,
    ADD CHECK (chunk + ganns.num_blocks(data) <= num_chunks),
    ADD CHECK (num_chunks <= 16384);  -- 1 GB

CREATE OR REPLACE FUNCTION ganns_api.put_part(
    _job_id bigint, _attempt integer, _role text, _chunk integer, _num_chunks integer, _data bytea, _digest text
) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- One piece of a part. Each is a transaction of its own, and a part's pieces come in order.
DECLARE
    u ganns.units;
    _max_blocks integer;
BEGIN
    SELECT unit.* INTO u
    FROM ganns.units unit JOIN ganns.rounds r ON r.run_id = unit.run_id AND r.round = unit.round
    WHERE unit.job_id = _job_id AND unit.attempt = _attempt AND r.closed_at IS NULL
      -- What was submitted stays as it is.
      AND NOT EXISTS (SELECT FROM ganns.results s WHERE s.run_id = unit.run_id AND s.round = unit.round AND s.unit = unit.unit);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM ganns.check_worker(u.claimed_by);
    -- A part has the numbers of one network. Five times the bytes of both leaves room for results in fp32 where the weights
    -- are published in 8 bits.
    SELECT coalesce(max(5 * v.size_bytes / 65536 + 32), 16384) INTO _max_blocks
    FROM ganns.versions v JOIN ganns.rounds r ON r.run_id = v.run_id AND r.weights_version = v.version
    WHERE r.run_id = u.run_id AND r.round = u.round;
    IF _role NOT IN ('d', 'g') OR _num_chunks > _max_blocks THEN
        RAISE EXCEPTION 'part % of % MB: a unit of run % has the parts d and g, of at most % MB', left(_role, 20),
            _num_chunks / 16, u.run_id, _max_blocks / 16 USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO ganns.result_parts (job_id, attempt, role, chunk, num_chunks, run_id, round, data, digest)
    VALUES (_job_id, _attempt, _role, _chunk, _num_chunks, u.run_id, u.round, _data, _digest)
    ON CONFLICT (job_id, attempt, role, chunk) DO UPDATE
    SET num_chunks = excluded.num_chunks, data = excluded.data, digest = excluded.digest;
    -- The coordinator can fetch it while we compute on. A part of one piece is not worth waking it up: it comes soon
    -- enough with the result.
    IF _chunk + ganns.num_blocks(_data) = _num_chunks AND _chunk > 0 THEN
        PERFORM pg_notify('ganns_run_' || u.run_id, _role);
    END IF;
    RETURN true;
END
$$;

-- How many blocks of a part are there, without a gap. Pieces arrive in order; only a server that crashed in between, behind
-- a pooler that hid it, has later ones without earlier ones. They are deleted: new pieces may have other bounds.
CREATE FUNCTION ganns_api.part_received(_job_id bigint, _attempt integer, _role text, _digest text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    _found integer;
    _upto integer;
BEGIN
    PERFORM ganns.check_worker((SELECT claimed_by FROM ganns.units WHERE job_id = _job_id));
    SELECT coalesce(sum(ganns.num_blocks(p.data)), 0), coalesce(max(p.chunk + ganns.num_blocks(p.data)), 0)
    INTO _found, _upto
    FROM ganns.result_parts p
    WHERE p.job_id = _job_id AND p.attempt = _attempt AND p.role = _role AND p.digest = _digest;
    IF _found <> _upto THEN
        DELETE FROM ganns.result_parts p
        WHERE p.job_id = _job_id AND p.attempt = _attempt AND p.role = _role AND p.digest = _digest;
        RETURN 0;
    END IF;
    RETURN _upto;
END
$$;

-- A range of a version's weights. EXTERNAL storage does not compress, so a part of a value is read without the rest.
CREATE FUNCTION ganns_api.weights_range(_run_id bigint, _version integer, _start bigint, _length integer)
    RETURNS TABLE (size_bytes bigint, digest text, data bytea)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT v.size_bytes, v.digest, substring(w.data FROM (_start % 1048576)::integer + 1 FOR _length)
    FROM ganns.versions v
    JOIN ganns.weights w ON w.run_id = v.run_id AND w.version = v.version AND w.generation = v.generation
    WHERE v.run_id = _run_id AND v.version = _version AND w.chunk = _start / 1048576
$$;
