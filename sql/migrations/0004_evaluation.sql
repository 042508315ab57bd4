-- Evaluation: metrics of versions, the network that they look through, and what a run does when its model breaks.

ALTER TABLE ganns.runs
    ADD COLUMN best_version integer,  -- the best of the evaluated versions; its checkpoint is kept beside the latest
    ADD COLUMN went_back_at_version integer;  -- the version that has the weights of an earlier, good one; once a run

CREATE TABLE ganns.evaluations (
    run_id bigint NOT NULL REFERENCES ganns.runs ON DELETE CASCADE,
    version integer NOT NULL,
    features text NOT NULL,  -- 'attributes' or 'inception': distances of one are not those of the other
    images integer NOT NULL,  -- generated ones; distances of few images are larger than those of many
    metrics jsonb NOT NULL,
    seconds double precision NOT NULL,  -- from the start of the evaluation to its result
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, version)
);

CREATE TABLE ganns.feature_networks (  -- stored with the run, so that all its evaluations see with the same eyes
    run_id bigint PRIMARY KEY REFERENCES ganns.runs ON DELETE CASCADE,
    accuracy real NOT NULL,  -- on faces that it was not trained on: the mean over its attributes
    digest text NOT NULL,
    data bytea NOT NULL CHECK (octet_length(data) <= 1024 * 1024)
);

CREATE UNLOGGED TABLE ganns.evaluated_generators (  -- the averaged generator while it is evaluated; then deleted
    evaluation uuid NOT NULL,
    chunk integer NOT NULL,
    num_chunks integer NOT NULL,
    run_id bigint NOT NULL,
    generation bigint,  -- of the coordinator; null: evaluated by hand
    digest text NOT NULL,  -- of all chunks together
    data bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (evaluation, chunk)
);

ALTER TABLE ganns.feature_networks ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE ganns.evaluated_generators ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE FUNCTION ganns_api.evaluated_generator(_evaluation uuid)
    RETURNS TABLE (chunk integer, num_chunks integer, digest text, data bytea)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT g.chunk, g.num_chunks, g.digest, g.data FROM ganns.evaluated_generators g
    WHERE g.evaluation = _evaluation ORDER BY g.chunk
$$;

CREATE FUNCTION ganns_api.feature_network(_run_id bigint) RETURNS TABLE (digest text, data bytea)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT f.digest, f.data FROM ganns.feature_networks f WHERE f.run_id = _run_id
$$;
