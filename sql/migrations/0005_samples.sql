-- Sample grids in the database: for whoever is not at the coordinator's disk, and for pictures of how a run learned.

CREATE TABLE ganns.samples (
    run_id bigint NOT NULL REFERENCES ganns.runs ON DELETE CASCADE,
    version integer NOT NULL,
    picture bytea NOT NULL CHECK (octet_length(picture) <= 4 * 1024 * 1024),  -- WebP, tens of kilobytes
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, version)
);

ALTER TABLE ganns.samples ALTER COLUMN picture SET STORAGE EXTERNAL;  -- it is compressed already
