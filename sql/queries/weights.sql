-- Versions, their weights in chunks, and checkpoints.

-- put_weights_chunk --
-- Store one chunk of a version, or replace it after a restart; each generation writes only its own bytes
INSERT INTO ganns.weights (run_id, version, generation, chunk, data)
VALUES (%(run_id)s, %(version)s, %(generation)s, %(chunk)s, %(data)b)
ON CONFLICT (run_id, version, generation, chunk) DO UPDATE SET data = excluded.data;

-- put_link_chunk --
-- Store one chunk of the link to a version, or replace it
INSERT INTO ganns.links (run_id, version, generation, chunk, data)
VALUES (%(run_id)s, %(version)s, %(generation)s, %(chunk)s, %(data)b)
ON CONFLICT (run_id, version, generation, chunk) DO UPDATE SET data = excluded.data;

-- insert_version --
-- Make a version's chunks, and those of its link, visible; a version that was undone or uploaded again is replaced. Without
-- a state's digest (its weights were uploaded again) the version keeps its state
INSERT INTO ganns.versions AS v (run_id, version, generation, num_chunks, size_bytes, digest, state_digest, link_from,
                                 link_bytes)
VALUES (%(run_id)s, %(version)s, %(generation)s, %(num_chunks)s, %(size_bytes)s, %(digest)s, %(state_digest)s,
        %(link_from)s, %(link_bytes)s)
ON CONFLICT (run_id, version) DO UPDATE
SET generation = excluded.generation, num_chunks = excluded.num_chunks, size_bytes = excluded.size_bytes,
    digest = excluded.digest, state_digest = coalesce(excluded.state_digest, v.state_digest), created_at = now(),
    undone = false, link_from = excluded.link_from, link_bytes = excluded.link_bytes;

-- set_weight_places --
-- Store where else a version's weights are; part of the transaction that makes the version visible
INSERT INTO ganns.weight_places (run_id, version, generation, sha256, addresses)
VALUES (%(run_id)s, %(version)s, %(generation)s, %(sha256)s, %(addresses)s::text[])
ON CONFLICT (run_id, version) DO UPDATE
SET generation = excluded.generation, sha256 = excluded.sha256, addresses = excluded.addresses;

-- no_weight_places --
-- Remove what an earlier upload of this version said: the database alone has these weights
DELETE FROM ganns.weight_places WHERE run_id = %(run_id)s AND version = %(version)s;

-- forget_weight_places --
-- Delete the places of versions that are no longer needed, and return the oldest version that is: one of the last few, or
-- one that an open round computes at. No row for a coordinator that lost its lease
WITH needed AS (
    SELECT least(%(before_version)s::integer,
                 (SELECT min(o.weights_version) FROM ganns.rounds o WHERE o.run_id = r.id AND o.closed_at IS NULL)) AS oldest
    FROM ganns.runs r WHERE r.id = %(run_id)s AND r.generation = %(generation)s
), forgotten AS (
    DELETE FROM ganns.weight_places p USING needed
    WHERE p.run_id = %(run_id)s AND p.version < needed.oldest
)
SELECT oldest FROM needed;

-- state_digest --
-- The digest of a version's whole state; no row if it was not published, or is undone
SELECT state_digest FROM ganns.versions
WHERE run_id = %(run_id)s AND version = %(version)s AND NOT undone AND state_digest IS NOT NULL;

-- count_weights_chunks --
-- Count the chunks of a version that are there, and return their full number (fewer are there after a server crash)
SELECT v.num_chunks, count(w.chunk) AS num_found
FROM ganns.versions v
LEFT JOIN ganns.weights w ON w.run_id = v.run_id AND w.version = v.version AND w.generation = v.generation
WHERE v.run_id = %(run_id)s AND v.version = %(version)s
GROUP BY v.num_chunks;

-- delete_old_weights --
-- Keep the last few versions, and each version that an open round computes at. A coordinator that lost its lease and does
-- not know it yet deletes nothing of its successor's. Uploads of an older generation that were not published go.
DELETE FROM ganns.weights w
WHERE w.run_id = %(run_id)s AND w.generation <= %(generation)s
  AND NOT EXISTS (SELECT FROM ganns.rounds r
                  WHERE r.run_id = w.run_id AND r.weights_version = w.version AND r.closed_at IS NULL)
  AND (w.version < %(before_version)s
       OR (w.version < %(version)s AND w.generation < %(generation)s
           AND NOT EXISTS (SELECT FROM ganns.versions v WHERE v.run_id = w.run_id AND v.version = w.version
                           AND v.generation = w.generation)));

-- delete_old_links --
-- Keep the links that a worker may follow in place of a whole version; as for weights, nothing of a successor's goes
DELETE FROM ganns.links
WHERE run_id = %(run_id)s AND generation <= %(generation)s AND version < %(before_version)s;

-- put_checkpoint_chunk --
-- Store one chunk of a full state; no row if it is not the run's version: another coordinator went on from an older one
INSERT INTO ganns.checkpoints (run_id, version, chunk, num_chunks, digest, data)
SELECT %(run_id)s, %(version)s, %(chunk)s, %(num_chunks)s, %(digest)s, %(data)b
WHERE ganns.is_state_of(%(run_id)s, %(version)s, %(digest)s)
ON CONFLICT (run_id, version, chunk) DO UPDATE
SET num_chunks = excluded.num_chunks, digest = excluded.digest, data = excluded.data
RETURNING chunk;

-- delete_old_checkpoints --
-- Keep the newest whole checkpoint and the best version's; called once the newest is complete
DELETE FROM ganns.checkpoints c
WHERE c.run_id = %(run_id)s
  AND c.version IS DISTINCT FROM (SELECT best_version FROM ganns.runs WHERE id = %(run_id)s)
  AND c.version IS DISTINCT FROM (SELECT max(version) FROM ganns.whole_checkpoints WHERE run_id = %(run_id)s);

-- latest_checkpoint --
-- The newest whole checkpoint's version
SELECT version, digest FROM ganns.whole_checkpoints WHERE run_id = %(run_id)s ORDER BY version DESC LIMIT 1;

-- get_checkpoint --
-- A checkpoint's chunks in order
SELECT data FROM ganns.checkpoints
WHERE run_id = %(run_id)s AND version = %(version)s AND digest = %(digest)s ORDER BY chunk;

-- undo_versions --
-- Mark the versions and the credit that a return to an older checkpoint undoes, and delete their other data
WITH undone AS (
    UPDATE ganns.versions SET undone = true WHERE run_id = %(run_id)s AND version > %(version)s
), credit AS (
    UPDATE ganns.ledger SET undone = true WHERE run_id = %(run_id)s AND round >= %(version)s
), results AS (
    DELETE FROM ganns.results WHERE run_id = %(run_id)s AND round >= %(version)s
), parts AS (
    DELETE FROM ganns.result_parts WHERE run_id = %(run_id)s AND round >= %(version)s
), measured AS (
    DELETE FROM ganns.metrics WHERE run_id = %(run_id)s AND round >= %(version)s
), evaluated AS (
    DELETE FROM ganns.evaluations WHERE run_id = %(run_id)s AND version > %(version)s
), pictures AS (
    DELETE FROM ganns.samples WHERE run_id = %(run_id)s AND version > %(version)s
), checkpoints AS (
    DELETE FROM ganns.checkpoints WHERE run_id = %(run_id)s AND version > %(version)s
), best AS (
    UPDATE ganns.runs
    SET best_version = CASE WHEN best_version <= %(version)s THEN best_version END,
        went_back_at_version = CASE WHEN went_back_at_version <= %(version)s THEN went_back_at_version END
    WHERE id = %(run_id)s
)
DELETE FROM ganns.rounds WHERE run_id = %(run_id)s AND round >= %(version)s;

-- vacuum_blobs --
-- Make the space of deleted blobs free for the tables, without returning it to the disk: the next round needs it (not
-- in a transaction)
VACUUM (SKIP_LOCKED, TRUNCATE false) ganns.weights, ganns.links, ganns.result_parts, ganns.results;
