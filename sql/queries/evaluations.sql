-- Evaluations of versions, and the data that workers need to draw and to measure images.

-- put_generator_chunk --
-- Store one chunk of the averaged generator that will be evaluated
INSERT INTO ganns.evaluated_generators (evaluation, chunk, num_chunks, run_id, generation, digest, data)
VALUES (%(evaluation)s::uuid, %(chunk)s, %(num_chunks)s, %(run_id)s, %(generation)s::bigint, %(digest)s, %(data)b);

-- delete_generator --
-- Delete the generator of an evaluation that is over
DELETE FROM ganns.evaluated_generators WHERE evaluation = %(evaluation)s::uuid;

-- delete_left_generators --
-- Delete the generators that a killed coordinator of this run left, and all that are hours old
DELETE FROM ganns.evaluated_generators
WHERE (run_id = %(run_id)s AND generation < %(generation)s) OR at < now() - interval '6 hours';

-- api_evaluated_generator --
-- A range of the averaged generator under evaluation, at most to the end of a stored chunk; no row once it is over. The
-- chunks that are not wanted are not read: of those the server knows the lengths without their bytes
WITH chunks AS (
    SELECT chunk, num_chunks, digest, data, sum(length(data)) OVER () AS size_bytes, count(*) OVER () AS num_found
    FROM ganns_api.evaluated_generator(%(evaluation)s::uuid))
SELECT size_bytes, digest, substring(data FROM (%(start)s::bigint & 1048575)::integer + 1 FOR %(length)s::integer) AS data
FROM chunks WHERE chunk = %(start)s::bigint / 1048576 AND num_found = num_chunks;

-- api_feature_network --
-- A range of the network that computes features for a run's images; no row if there is none yet
WITH network AS (SELECT digest, data FROM ganns_api.feature_network(%(run_id)s::bigint))
SELECT length(data)::bigint AS size_bytes, digest,
       substring(data FROM %(start)s::bigint::integer + 1 FOR %(length)s::integer) AS data
FROM network;

-- put_feature_network --
-- Keep the first network that is stored: versions can be compared only by the same network
INSERT INTO ganns.feature_networks (run_id, accuracy, digest, data)
VALUES (%(run_id)s, %(accuracy)s, %(digest)s, %(data)b) ON CONFLICT (run_id) DO NOTHING;

-- put_evaluation --
-- Store a version's metrics, or replace them when it is evaluated again
INSERT INTO ganns.evaluations (run_id, version, features, images, metrics, seconds)
VALUES (%(run_id)s, %(version)s, %(features)s, %(images)s, %(metrics)s, %(seconds)s)
ON CONFLICT (run_id, version) DO UPDATE
SET features = excluded.features, images = excluded.images, metrics = excluded.metrics, seconds = excluded.seconds, at = now();

-- list_evaluations --
-- A run's evaluations in order
SELECT version, features, images, metrics, seconds, at FROM ganns.evaluations WHERE run_id = %(run_id)s ORDER BY version;

-- best_version --
-- The best of the evaluated versions; null if none was evaluated
SELECT best_version FROM ganns.runs WHERE id = %(run_id)s;

-- set_best_version --
-- Set the version whose checkpoint is kept beside the latest
UPDATE ganns.runs SET best_version = %(version)s WHERE id = %(run_id)s;

-- best_checkpoint --
-- The best version's whole checkpoint
SELECT c.version, c.digest
FROM ganns.runs r JOIN ganns.whole_checkpoints c ON c.run_id = r.id AND c.version = r.best_version
WHERE r.id = %(run_id)s;

-- went_back_at --
-- The version with which the run went back to an earlier one; null if it never did
SELECT went_back_at_version FROM ganns.runs WHERE id = %(run_id)s;

-- set_went_back --
-- Record that the run went back, which it does only once
UPDATE ganns.runs SET went_back_at_version = %(version)s WHERE id = %(run_id)s;
