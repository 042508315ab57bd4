-- The training's tables, and the functions through which workers reach them.
--
-- Blobs are `bytea STORAGE EXTERNAL`: out of line, not compressed (gradients do not compress; trying costs more
-- than storing). Tables of things that can be computed or uploaded again are UNLOGGED: no write-ahead log, half
-- the cost; after a crash of the server they are empty, and the coordinator puts back what was in them.

CREATE TABLE ganns.runs (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    key uuid NOT NULL DEFAULT gen_random_uuid(),  -- names the coordinator's local state folder, in any database
    name text NOT NULL,
    config jsonb NOT NULL,  -- resolved; workers read it here
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'finished', 'diverged')),
    fingerprint text NOT NULL,  -- of the images
    num_images bigint NOT NULL CHECK (num_images >= 2),
    permutation_digest text NOT NULL,
    version integer NOT NULL DEFAULT 0,
    images bigint NOT NULL DEFAULT 0,  -- accepted so far
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    -- The lease: one coordinator a run. Each holder has a generation of its own, and every transaction of the
    -- training checks it, so that a coordinator that was only asleep cannot write over its successor's work.
    generation bigint NOT NULL DEFAULT 0,
    lease_holder text,
    lease_until timestamptz,
    lease_pid integer,  -- the holder's server process: gone when the holder was killed, so no need to wait
    lease_backend_start timestamptz
);

CREATE TABLE ganns.versions (
    run_id bigint NOT NULL REFERENCES ganns.runs ON DELETE CASCADE,
    version integer NOT NULL,
    generation bigint NOT NULL,  -- whose upload it is: a half-finished one of a dead coordinator is never read
    num_chunks integer NOT NULL,
    size_bytes bigint NOT NULL,
    digest text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    undone boolean NOT NULL DEFAULT false,  -- the run went back to an older checkpoint
    PRIMARY KEY (run_id, version)
);

CREATE UNLOGGED TABLE ganns.weights (
    run_id bigint NOT NULL,
    version integer NOT NULL,
    generation bigint NOT NULL,
    chunk integer NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (run_id, version, generation, chunk)
);

CREATE TABLE ganns.checkpoints (  -- logged: what is left when the coordinator's disk is gone too
    run_id bigint NOT NULL REFERENCES ganns.runs ON DELETE CASCADE,
    version integer NOT NULL,
    chunk integer NOT NULL,
    num_chunks integer NOT NULL,
    digest text NOT NULL,  -- of all chunks together
    data bytea NOT NULL,
    PRIMARY KEY (run_id, version, chunk)
);

CREATE TABLE ganns.rounds (
    run_id bigint NOT NULL REFERENCES ganns.runs ON DELETE CASCADE,
    round integer NOT NULL,  -- turns version `round` into `round + 1`
    quorum integer NOT NULL CHECK (quorum >= 1),
    deadline_at timestamptz,
    opened_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    PRIMARY KEY (run_id, round)
);
-- prevents two open rounds of one run
CREATE UNIQUE INDEX rounds_one_open ON ganns.rounds (run_id) WHERE closed_at IS NULL;

CREATE TABLE ganns.units (
    run_id bigint NOT NULL,
    round integer NOT NULL,
    unit integer NOT NULL,
    epoch integer NOT NULL,
    start integer NOT NULL,
    count integer NOT NULL CHECK (count >= 1),
    job_id bigint NOT NULL UNIQUE,  -- no foreign key: procrastinate's jobs come and go, and we reconcile
    attempt integer NOT NULL DEFAULT 0,  -- the attempt that may submit; a rescue moves it on
    claimed_at timestamptz,
    claimed_by bigint,
    refused_from bigint[] NOT NULL DEFAULT '{}',  -- workers whose result was refused
    PRIMARY KEY (run_id, round, unit),
    FOREIGN KEY (run_id, round) REFERENCES ganns.rounds ON DELETE CASCADE
);

CREATE TABLE ganns.skipped (  -- slices that no worker could compute: with the accepted ones they cover each epoch once
    run_id bigint NOT NULL,
    round integer NOT NULL,
    unit integer NOT NULL,
    epoch integer NOT NULL,
    start integer NOT NULL,
    images integer NOT NULL,
    reason text NOT NULL,  -- the last traceback
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, round, unit),
    FOREIGN KEY (run_id, round) REFERENCES ganns.rounds ON DELETE CASCADE
);

CREATE UNLOGGED TABLE ganns.result_parts (
    job_id bigint NOT NULL,
    attempt integer NOT NULL,
    role text NOT NULL,  -- 'd' or 'g'
    chunk integer NOT NULL CHECK (chunk >= 0),
    num_chunks integer NOT NULL CHECK (num_chunks > chunk AND num_chunks <= 1024),
    run_id bigint NOT NULL,
    round integer NOT NULL,
    data bytea NOT NULL CHECK (octet_length(data) <= 1024 * 1024),
    digest text NOT NULL,  -- of all chunks together
    PRIMARY KEY (job_id, attempt, role, chunk)
);
CREATE INDEX result_parts_round ON ganns.result_parts (run_id, round);  -- prevents a scan when a round is deleted

CREATE UNLOGGED TABLE ganns.results (
    run_id bigint NOT NULL,
    round integer NOT NULL,
    unit integer NOT NULL,
    job_id bigint NOT NULL,
    attempt integer NOT NULL,
    worker_id bigint,
    report jsonb NOT NULL,  -- metrics and timings, as the worker says
    submitted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, round, unit)  -- one result a unit: whatever is retried or sent twice counts once
);

-- Column by column, since CREATE TABLE takes a STORAGE clause only from PostgreSQL 16 on.
ALTER TABLE ganns.weights ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE ganns.checkpoints ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE ganns.result_parts ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE ganns.workers (
    id bigint PRIMARY KEY,  -- procrastinate's worker id; its heartbeat is the one heartbeat
    name text NOT NULL,
    login name NOT NULL DEFAULT session_user,
    info jsonb NOT NULL DEFAULT '{}',  -- device, threads, versions
    registered_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ganns.ledger (
    run_id bigint NOT NULL REFERENCES ganns.runs ON DELETE CASCADE,
    round integer NOT NULL,
    unit integer NOT NULL,
    job_id bigint NOT NULL,
    attempt integer NOT NULL,
    worker_id bigint,
    epoch integer NOT NULL,  -- with `start` and `images`: which positions of the epoch's permutation
    start integer NOT NULL,
    images integer NOT NULL,
    seconds real NOT NULL,
    accepted boolean NOT NULL,  -- false: late; effort that is honoured but was not applied
    undone boolean NOT NULL DEFAULT false,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, round, unit, job_id, attempt)
);
-- prevents a unit from being credited as accepted twice
CREATE UNIQUE INDEX ledger_accepted_once ON ganns.ledger (run_id, round, unit) WHERE accepted AND NOT undone;

CREATE TABLE ganns.metrics (
    run_id bigint NOT NULL REFERENCES ganns.runs ON DELETE CASCADE,
    round integer NOT NULL,
    images bigint NOT NULL,
    seconds double precision NOT NULL,  -- of training, since the run's start
    metrics jsonb NOT NULL,
    timings jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, round)
);

-- What workers may do --------------------------------------------------------------------------------------
-- SECURITY DEFINER: they run with the owner's rights, so a student's login needs none on the tables. The pinned
-- search_path keeps a caller from slipping in objects of its own; every name is qualified all the same.

CREATE FUNCTION ganns_api.register(_worker_id bigint, _name text, _info jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO ganns.workers (id, name, info) VALUES (_worker_id, left(_name, 100), _info)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, info = excluded.info
$$;

CREATE FUNCTION ganns_api.run(_run_id bigint)
    RETURNS TABLE (config jsonb, fingerprint text, num_images bigint, permutation_digest text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT config, fingerprint, num_images, permutation_digest FROM ganns.runs WHERE id = _run_id
$$;

CREATE FUNCTION ganns_api.claim(_job_id bigint, _attempt integer, _worker_id bigint)
    RETURNS TABLE (run_id bigint, round integer, unit integer, epoch integer, start integer, count integer)
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    -- No row means: closed, done, deferred again under another job, or rescued and given to a later attempt.
    UPDATE ganns.units u SET attempt = _attempt, claimed_at = now(), claimed_by = _worker_id
    FROM ganns.rounds r
    WHERE u.job_id = _job_id AND u.attempt <= _attempt
      AND r.run_id = u.run_id AND r.round = u.round AND r.closed_at IS NULL
      AND NOT EXISTS (SELECT FROM ganns.results s
                      WHERE s.run_id = u.run_id AND s.round = u.round AND s.unit = u.unit)
    RETURNING u.run_id, u.round, u.unit, u.epoch, u.start, u.count
$$;

CREATE FUNCTION ganns_api.weights(_run_id bigint, _version integer)
    RETURNS TABLE (chunk integer, num_chunks integer, digest text, data bytea)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT w.chunk, v.num_chunks, v.digest, w.data
    FROM ganns.versions v
    JOIN ganns.weights w ON w.run_id = v.run_id AND w.version = v.version AND w.generation = v.generation
    WHERE v.run_id = _run_id AND v.version = _version
    ORDER BY w.chunk
$$;

-- One chunk of a part; a part's chunks come in one transaction, so all of them are there or none.
CREATE FUNCTION ganns_api.put_part(
    _job_id bigint, _attempt integer, _role text, _chunk integer, _num_chunks integer, _data bytea, _digest text
) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    _run_id bigint;
BEGIN
    INSERT INTO ganns.result_parts (job_id, attempt, role, chunk, num_chunks, run_id, round, data, digest)
    SELECT _job_id, _attempt, _role, _chunk, _num_chunks, u.run_id, u.round, _data, _digest
    FROM ganns.units u JOIN ganns.rounds r ON r.run_id = u.run_id AND r.round = u.round
    WHERE u.job_id = _job_id AND u.attempt = _attempt AND r.closed_at IS NULL
    ON CONFLICT (job_id, attempt, role, chunk) DO UPDATE
    SET num_chunks = excluded.num_chunks, data = excluded.data, digest = excluded.digest
    RETURNING run_id INTO _run_id;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- The coordinator can fetch it while we compute on. A part of one chunk is not worth waking it up: it comes soon
    -- enough with the result.
    IF _chunk = _num_chunks - 1 AND _chunk > 0 THEN
        PERFORM pg_notify('ganns_run_' || _run_id, _role);
    END IF;
    RETURN true;
END
$$;

CREATE FUNCTION ganns_api.submit(
    _job_id bigint, _attempt integer, _worker_id bigint, _roles text[], _report jsonb
) RETURNS text  -- 'stored', 'duplicate', 'late', 'stale', or 'incomplete' when a part was lost on the way
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    u ganns.units;
    closed timestamptz;
BEGIN
    SELECT * INTO u FROM ganns.units WHERE job_id = _job_id;
    IF NOT FOUND THEN
        RETURN 'stale';
    END IF;
    -- The closing transaction holds this row FOR UPDATE: we either come before it, or see the round closed.
    SELECT closed_at INTO closed FROM ganns.rounds WHERE run_id = u.run_id AND round = u.round FOR SHARE;
    SELECT * INTO u FROM ganns.units WHERE job_id = _job_id FOR UPDATE;  -- a rescue may be moving it on
    -- Also stale: the job was queued again, by whichever rescuer, and nobody has claimed it yet.
    IF NOT FOUND OR u.attempt <> _attempt
       OR EXISTS (SELECT FROM procrastinate.procrastinate_jobs j WHERE j.id = _job_id
                  AND j.status IN ('todo', 'doing') AND j.attempts > _attempt) THEN
        RETURN 'stale';
    END IF;
    IF closed IS NOT NULL THEN
        INSERT INTO ganns.ledger (run_id, round, unit, job_id, attempt, worker_id, epoch, start, images, seconds, accepted)
        VALUES (u.run_id, u.round, u.unit, _job_id, _attempt, _worker_id, u.epoch, u.start, u.count,
                coalesce((_report -> 'timings' ->> 'compute')::real, 0), false)
        ON CONFLICT DO NOTHING;
        RETURN 'late';
    END IF;
    IF EXISTS (SELECT FROM unnest(_roles) AS wanted(role) WHERE NOT EXISTS (
            SELECT FROM ganns.result_parts p
            WHERE p.job_id = _job_id AND p.attempt = _attempt AND p.role = wanted.role AND p.chunk = 0)) THEN
        RETURN 'incomplete';
    END IF;
    INSERT INTO ganns.results (run_id, round, unit, job_id, attempt, worker_id, report)
    VALUES (u.run_id, u.round, u.unit, _job_id, _attempt, _worker_id, _report)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'duplicate';
    END IF;
    PERFORM pg_notify('ganns_run_' || u.run_id, 'result');  -- delivered at commit; a hint, never the truth
    RETURN 'stored';
END
$$;
