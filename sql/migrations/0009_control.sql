-- What instructors want of a run while it is trained. The coordinator reads it with its lease, in the transaction that
-- would open the next round.

ALTER TABLE ganns.runs
    ADD COLUMN wanted text NOT NULL DEFAULT 'run' CHECK (wanted IN ('run', 'pause', 'stop')),
    ADD COLUMN wanted_units integer CHECK (wanted_units >= 1);  -- the quorum from the next round on; NULL: as configured

CREATE TABLE ganns.controls (  -- who asked for what, and when
    run_id bigint NOT NULL REFERENCES ganns.runs ON DELETE CASCADE,
    number integer NOT NULL,  -- the run's first, second, ...: its row is locked meanwhile
    what text NOT NULL CHECK (what IN ('pause', 'resume', 'stop', 'quorum')),
    units integer,  -- the new quorum; NULL: the configured one
    asked_by text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, number)
);

-- While a run is paused nothing else happens that would tell whoever watches
CREATE TRIGGER controlled AFTER INSERT ON ganns.controls FOR EACH ROW EXECUTE FUNCTION ganns.announce('controlled');
