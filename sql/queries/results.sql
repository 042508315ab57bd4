-- Results that workers submitted, and the credit for them.

-- list_results --
-- The results of a round, without their blobs
SELECT r.unit, r.job_id, r.attempt, r.worker_id, r.report
FROM ganns.results r JOIN ganns.units u ON u.run_id = r.run_id AND u.round = r.round AND u.unit = r.unit AND u.job_id = r.job_id
WHERE r.run_id = %(run_id)s AND r.round = %(round)s ORDER BY r.unit;

-- list_parts --
-- The stored parts of a round's open units, even if the unit is still being computed
SELECT u.unit, p.job_id, p.attempt, p.role
FROM ganns.units u JOIN ganns.result_parts p ON p.job_id = u.job_id AND p.attempt = u.attempt AND p.chunk = 0
WHERE u.run_id = %(run_id)s AND u.round = %(round)s;

-- get_part --
-- One part's bytes, in chunks
SELECT num_chunks, digest, data FROM ganns.result_parts
WHERE job_id = %(job_id)s AND attempt = %(attempt)s AND role = %(role)s ORDER BY chunk;

-- refuse_result --
-- Delete a result that failed the checks, and record its worker
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
-- Record every result of a closing round: the named units as accepted, the others as late
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
-- Delete the results of closed rounds
DELETE FROM ganns.results WHERE run_id = %(run_id)s AND round < %(before_round)s;

-- delete_parts --
-- Delete the parts of closed rounds
DELETE FROM ganns.result_parts WHERE run_id = %(run_id)s AND round < %(before_round)s;
