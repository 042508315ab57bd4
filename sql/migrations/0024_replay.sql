-- What remains of an accepted result after its tensors were deleted, so that `ganns verify` can compare it with one that
-- is computed again: see ganns/training/result_digest.py.

ALTER TABLE ganns.ledger
    ADD COLUMN digest text CHECK (digest ~ '^[0-9a-f]{64}$'),  -- NULL: late, or accepted before this column
    ADD COLUMN sketch bytea CHECK (octet_length(sketch) = 512);

CREATE TABLE ganns.replays (  -- those of `ganns replay --show`, for the dashboard
    run_id bigint NOT NULL REFERENCES ganns.runs ON DELETE CASCADE,
    number integer NOT NULL,
    round integer NOT NULL,
    change text NOT NULL,  -- in words
    sentences text[] NOT NULL,  -- what came out of it
    rows jsonb NOT NULL,  -- some versions, with the numbers of both futures
    curves bytea,  -- PNG pictures
    faces bytea,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, number)
);
ALTER TABLE ganns.replays ALTER COLUMN curves SET STORAGE EXTERNAL, ALTER COLUMN faces SET STORAGE EXTERNAL;
