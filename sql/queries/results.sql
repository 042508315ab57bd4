-- Results, their parts, and the credit for them.

-- list_results --
-- The results of a round, without their blobs
SELECT r.unit, r.job_id, r.attempt, r.worker_id, r.d_loss, r.g_loss, r.d_real, r.d_fake,
       r.fetch_s, r.load_s, r.compute_s, r.upload_s
FROM ganns.results r JOIN ganns.units u ON u.run_id = r.run_id AND u.round = r.round AND u.unit = r.unit AND u.job_id = r.job_id
WHERE r.run_id = %(run_id)s AND r.round = %(round)s ORDER BY r.unit;

-- list_parts --
-- The parts of a round's open units whose last piece is there, even if the unit is still being computed
SELECT u.unit, p.job_id, p.attempt, p.role
FROM ganns.units u JOIN ganns.result_parts p ON p.job_id = u.job_id AND p.attempt = u.attempt
WHERE u.run_id = %(run_id)s AND u.round = %(round)s AND p.chunk + ganns.num_blocks(p.data) = p.num_chunks;

-- get_part --
-- One part's bytes, in pieces; never more than the network can need, however often the pieces overlap
SELECT chunk, num_chunks, digest, data
FROM (SELECT chunk, num_chunks, digest, data, sum(octet_length(data)) OVER (ORDER BY chunk) - octet_length(data) AS before
      FROM ganns.result_parts WHERE job_id = %(job_id)s AND attempt = %(attempt)s AND role = %(role)s) p
WHERE before < %(max_bytes)s::bigint ORDER BY chunk;

-- refuse_result --
-- Delete a result that failed the checks, with its parts, and record its worker
WITH refused AS (
    DELETE FROM ganns.results
    WHERE run_id = %(run_id)s AND round = %(round)s AND unit = %(unit)s
      AND job_id = %(job_id)s AND attempt = %(attempt)s
    RETURNING run_id, round, unit, job_id, attempt, worker_id
), parts AS (
    DELETE FROM ganns.result_parts p USING refused r WHERE p.job_id = r.job_id AND p.attempt = r.attempt
)
UPDATE ganns.units u SET refused_from = u.refused_from || coalesce(r.worker_id, -1)
FROM refused r WHERE u.run_id = r.run_id AND u.round = r.round AND u.unit = r.unit
RETURNING u.refused_from;

-- credit --
-- Record every result of a closing round: those that were checked and added as accepted, all others as late. A late one
-- was not checked, so its seconds are the server's.
INSERT INTO ganns.ledger (run_id, round, unit, job_id, attempt, worker_id, epoch, start, images, seconds, network_s,
                          accepted, claimed_at, submitted_at, cosine_d, cosine_g, share_d, share_g, digest, sketch)
SELECT r.run_id, r.round, r.unit, r.job_id, r.attempt, r.worker_id, u.epoch, u.start, u.count,
       CASE WHEN a.unit IS NOT NULL THEN r.compute_s
            ELSE least(greatest(coalesce(extract(epoch FROM r.submitted_at - u.claimed_at), 0), 0), 1e9) END,
       CASE WHEN a.unit IS NOT NULL THEN r.fetch_s + r.upload_s END,
       a.unit IS NOT NULL, u.claimed_at, r.submitted_at, a.cosine_d, a.cosine_g, a.share_d, a.share_g,
       a.digest, decode(a.sketch, 'hex')
FROM ganns.results r JOIN ganns.units u ON u.run_id = r.run_id AND u.round = r.round AND u.unit = r.unit
LEFT JOIN unnest(%(units)s::integer[], %(job_ids)s::bigint[], %(attempts)s::integer[], %(cosine_d)s::float8[],
                 %(cosine_g)s::float8[], %(share_d)s::float8[], %(share_g)s::float8[], %(digests)s::text[],
                 %(sketches)s::text[])
          AS a(unit, job_id, attempt, cosine_d, cosine_g, share_d, share_g, digest, sketch)
       ON a.unit = r.unit AND a.job_id = r.job_id AND a.attempt = r.attempt
WHERE r.run_id = %(run_id)s AND r.round = %(round)s
ON CONFLICT (run_id, round, unit, job_id, attempt) DO NOTHING;

-- others_present --
-- Live workers that take new jobs, except some
SELECT count(*) AS num FROM procrastinate.procrastinate_workers p
LEFT JOIN ganns.task_workers w ON w.worker_id = p.id
WHERE p.last_heartbeat > now() - make_interval(secs => %(silent_s)s) AND NOT coalesce(w.draining, false)
  AND w.preparing IS NULL
  AND NOT p.id = ANY(%(known)s::bigint[]);

-- set_aside_worker --
-- Let a worker take no new jobs; return its name
UPDATE ganns.task_workers SET draining = true WHERE worker_id = %(worker_id)s RETURNING name;

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

-- api_part_received --
-- The number of a part's blocks that the server has, to go on after a lost connection
SELECT ganns_api.part_received(%(job_id)s::bigint, %(attempt)s::integer, %(role)s, %(digest)s) AS blocks;

-- api_put_part --
-- Upload one piece of a network's part, while the other network is still being computed; `chunk` is its first block
SELECT ganns_api.put_part(%(job_id)s::bigint, %(attempt)s::integer, %(role)s, %(chunk)s::integer,
                          %(num_chunks)s::integer, %(data)b::bytea, %(digest)s) AS stored;

-- api_submit --
-- All parts are uploaded: the result counts from here on
SELECT ganns_api.submit(%(job_id)s::bigint, %(attempt)s::integer, %(worker_id)s::bigint,
                        %(d_loss)s::float8, %(g_loss)s::float8, %(d_real)s::float8, %(d_fake)s::float8,
                        %(fetch_s)s::float8, %(load_s)s::float8, %(compute_s)s::float8, %(upload_s)s::float8) AS answer;

-- worker_totals --
-- What each worker contributed to a run, by name
SELECT coalesce(w.name, 'unknown') AS name,
       count(*) FILTER (WHERE l.accepted) AS units,
       coalesce(sum(l.images) FILTER (WHERE l.accepted), 0) AS images,
       count(*) FILTER (WHERE NOT l.accepted) AS late,
       sum(l.seconds)::float8 AS seconds
FROM ganns.ledger l LEFT JOIN ganns.workers w ON w.id = l.worker_id
WHERE l.run_id = %(run_id)s AND NOT l.undone
GROUP BY 1 ORDER BY images DESC, name;
