-- What remains of an accepted result after its tensors were deleted, so that `ganns verify` can compare it with one that
-- is computed again: see ganns/training/result_digest.py.

ALTER TABLE ganns.ledger
    ADD COLUMN digest text CHECK (digest ~ '^[0-9a-f]{64}$'),  -- NULL: late, or accepted before this column
    ADD COLUMN sketch bytea CHECK (octet_length(sketch) = 512);
