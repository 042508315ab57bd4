-- What workers submitted, and the credit that they get for it.

-- list_results --
-- The results of a round, without their blobs
SELECT r.unit, r.job_id, r.attempt, r.worker_id, r.report
FROM ganns.results r JOIN ganns.units u ON u.run_id = r.run_id AND u.round = r.round AND u.unit = r.unit AND u.job_id = r.job_id
WHERE r.run_id = %(run_id)s AND r.round = %(round)s ORDER BY r.unit;

-- list_parts --
-- Which parts of a round's open units are there, also of units that are still being computed
SELECT u.unit, p.job_id, p.attempt, p.role
FROM ganns.units u JOIN ganns.result_parts p ON p.job_id = u.job_id AND p.attempt = u.attempt AND p.chunk = 0
WHERE u.run_id = %(run_id)s AND u.round = %(round)s;

-- get_part --
-- One part's bytes, in chunks
SELECT num_chunks, digest, data FROM ganns.result_parts
WHERE job_id = %(job_id)s AND attempt = %(attempt)s AND role = %(role)s ORDER BY chunk;

-- refuse_result --
-- Take a result that failed the checks out, and remember whose it was
WITH refused AS (
    DELETE FROM ganns.results WHERE run_id = %(run_id)s AND round = %(round)s AND unit = %(unit)s
    RETURNING run_id, round, unit, job_id, attempt, worker_id
), parts AS (
    DELETE FROM ganns.result_parts p USING refused r WHERE p.job_id = r.job_id AND p.attempt = r.attempt
)
UPDATE ganns.units u SET refused_from = u.refused_from || coalesce(r.worker_id, -1)
FROM refused r WHERE u.run_id = r.run_id AND u.round = r.round AND u.unit = r.unit
RETURNING u.refused_from;

-- credit --
-- Every result of a closing round: the named units as accepted, the others as late
INSERT INTO ganns.ledger (run_id, round, unit, job_id, attempt, worker_id, epoch, start, images, seconds, network_s,
                          accepted)
SELECT r.run_id, r.round, r.unit, r.job_id, r.attempt, r.worker_id, u.epoch, u.start, u.count,
       coalesce((r.report -> 'timings' ->> 'compute')::real, 0),
       (r.report -> 'timings' ->> 'fetch')::real + (r.report -> 'timings' ->> 'upload')::real,
       r.unit = ANY(%(accepted)s::integer[])
FROM ganns.results r JOIN ganns.units u ON u.run_id = r.run_id AND u.round = r.round AND u.unit = r.unit
WHERE r.run_id = %(run_id)s AND r.round = %(round)s
ON CONFLICT (run_id, round, unit, job_id, attempt) DO NOTHING;

-- delete_results --
-- Forget the results of closed rounds; an open round's stay, whatever its number is
DELETE FROM ganns.results d
WHERE d.run_id = %(run_id)s AND d.round < %(before_round)s
  AND NOT EXISTS (SELECT FROM ganns.rounds r WHERE r.run_id = d.run_id AND r.round = d.round AND r.closed_at IS NULL);

-- delete_parts --
-- Forget the parts of closed rounds; an open round's stay, whatever its number is
DELETE FROM ganns.result_parts d
WHERE d.run_id = %(run_id)s AND d.round < %(before_round)s
  AND NOT EXISTS (SELECT FROM ganns.rounds r WHERE r.run_id = d.run_id AND r.round = d.round AND r.closed_at IS NULL);

-- delete_results_of_round --
-- Forget the results of one round, which is computed anew, and their parts
WITH parts AS (
    DELETE FROM ganns.result_parts WHERE run_id = %(run_id)s AND round = %(round)s
)
DELETE FROM ganns.results WHERE run_id = %(run_id)s AND round = %(round)s;
