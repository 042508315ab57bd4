-- Places outside the database that have a version's weights, too: a blob in an S3-compatible store, named by its digest.
-- A table of its own: a signed address lets its holder read the weights, and neither viewers nor backups have those.

CREATE UNLOGGED TABLE ganns.weight_places (
    run_id bigint NOT NULL,
    version integer NOT NULL,
    generation bigint NOT NULL,  -- of the coordinator that put them there; only the version's own is read
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),  -- of the weights
    addresses text[] NOT NULL,  -- in the order in which workers try them
    PRIMARY KEY (run_id, version)
);

-- Size and both digests are the database's word about the bytes that come from elsewhere
CREATE FUNCTION ganns_api.weight_places(_run_id bigint, _version integer)
    RETURNS TABLE (size_bytes bigint, digest text, sha256 text, addresses text[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT v.size_bytes, v.digest, p.sha256, p.addresses
    FROM ganns.versions v
    JOIN ganns.weight_places p ON p.run_id = v.run_id AND p.version = v.version AND p.generation = v.generation
    WHERE v.run_id = _run_id AND v.version = _version
$$;
