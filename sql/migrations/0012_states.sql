-- A version is the state that its row names: a state file or a checkpoint with another digest is another history's.

-- Of the whole state (weights, moments, statistics, average, counters); NULL: published before this migration
ALTER TABLE ganns.versions ADD COLUMN state_digest text;
UPDATE ganns.versions v SET state_digest = c.digest FROM ganns.checkpoints c
WHERE c.run_id = v.run_id AND c.version = v.version AND c.chunk = 0 AND NOT v.undone;

CREATE FUNCTION ganns.is_state_of(_run_id bigint, _version integer, _digest text) RETURNS boolean
    LANGUAGE sql STABLE
AS $$
    -- A run that starts from another run's version has a checkpoint of version 0 before it publishes anything.
    SELECT coalesce((SELECT v.state_digest = _digest AND NOT v.undone FROM ganns.versions v
                     WHERE v.run_id = _run_id AND v.version = _version), _version = 0)
$$;

CREATE VIEW ganns.whole_checkpoints AS  -- those that a run may go on from
SELECT c.run_id, c.version, c.digest FROM ganns.checkpoints c
GROUP BY c.run_id, c.version, c.digest
HAVING count(*) = max(c.num_chunks) AND ganns.is_state_of(c.run_id, c.version, c.digest);
