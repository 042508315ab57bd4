-- Several runs over one pool of workers: whose turn it is, and which run is which point of a sweep.

-- Worker seconds that a run has used, by the server's clock. Jobs of the run that used least are taken first.
ALTER TABLE ganns.runs ADD COLUMN used_s double precision NOT NULL DEFAULT 0 CHECK (used_s >= 0);
ALTER TABLE ganns.runs ADD COLUMN charged_round integer NOT NULL DEFAULT -1;  -- the last round in `used_s`

-- The digest of a sweep point's configuration: the same point is found again, whatever was killed in between.
ALTER TABLE ganns.runs ADD COLUMN point text;
CREATE UNIQUE INDEX runs_point ON ganns.runs (point) WHERE point IS NOT NULL;  -- prevents a point from being trained twice

CREATE TABLE ganns.sweep_points (  -- a run may be a point of several sweeps
    sweep text NOT NULL,  -- a digest of its points: typing the same sweep again finds it
    run_id bigint NOT NULL REFERENCES ganns.runs ON DELETE CASCADE,
    PRIMARY KEY (sweep, run_id)
);
CREATE INDEX sweep_points_run ON ganns.sweep_points (run_id);  -- prevents a scan when a run is deleted
