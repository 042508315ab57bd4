-- codec.down=chain: a version's weights also come as a link, a change of those of the version before.

-- The link is visible through the version's row, as the weights are. Without one both columns are NULL
ALTER TABLE ganns.versions
    ADD COLUMN link_from text,  -- the digest of the weights that it changes; at its end is the version's own digest
    ADD COLUMN link_bytes bigint,
    ADD CHECK ((link_from IS NULL) = (link_bytes IS NULL));

-- UNLOGGED: without its link, a version's weights are fetched whole
CREATE UNLOGGED TABLE ganns.links (
    run_id bigint NOT NULL,
    version integer NOT NULL,
    generation bigint NOT NULL,
    chunk integer NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (run_id, version, generation, chunk)
);
ALTER TABLE ganns.links ALTER COLUMN data SET STORAGE EXTERNAL;

-- What there is to fetch for a version: its row and those of the versions before, as far back as links are kept. From it a
-- worker finds its way from the weights that it has.
CREATE FUNCTION ganns_api.published(_run_id bigint, _version integer)
    RETURNS TABLE (version integer, digest text, size_bytes bigint, link_from text, link_bytes bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT v.version, v.digest, v.size_bytes, v.link_from, v.link_bytes
    FROM ganns.versions v
    WHERE v.run_id = _run_id AND v.version BETWEEN _version - 6 AND _version
    ORDER BY v.version
$$;

-- A range of a version's link, as `weights_range` of its weights; the digest is that of the weights at its end.
CREATE FUNCTION ganns_api.link_range(_run_id bigint, _version integer, _start bigint, _length integer)
    RETURNS TABLE (size_bytes bigint, digest text, data bytea)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT v.link_bytes, v.digest, substring(l.data FROM (_start % 1048576)::integer + 1 FOR _length)
    FROM ganns.versions v
    JOIN ganns.links l ON l.run_id = v.run_id AND l.version = v.version AND l.generation = v.generation
    WHERE v.run_id = _run_id AND v.version = _version AND v.link_bytes IS NOT NULL AND l.chunk = _start / 1048576
$$;
