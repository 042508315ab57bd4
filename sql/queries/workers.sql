-- Workers: the functions that they call, their data, and their contributions.

-- api_register --
-- Register this worker
SELECT ganns_api.register(%(worker_id)s::bigint, %(name)s, %(info)s::jsonb);

-- api_run --
-- The data of a run that a worker needs
SELECT config, fingerprint, num_images, permutation_digest FROM ganns_api.run(%(run_id)s::bigint);

-- api_claim --
-- Claim the unit of a job; no row if it is no longer needed
SELECT run_id, round, unit, epoch, start, count, weights_version
FROM ganns_api.claim(%(job_id)s::bigint, %(attempt)s::integer, %(worker_id)s::bigint);

-- api_weights --
-- A version's weights, in chunks
SELECT num_chunks, digest, data FROM ganns_api.weights(%(run_id)s::bigint, %(version)s::integer) ORDER BY chunk;

-- api_put_part --
-- Upload one chunk of a network's part, while the other network is still being computed
SELECT ganns_api.put_part(%(job_id)s::bigint, %(attempt)s::integer, %(role)s, %(chunk)s::integer,
                          %(num_chunks)s::integer, %(data)b::bytea, %(digest)s) AS stored;

-- api_submit --
-- Submit a result, after all its parts were uploaded
SELECT ganns_api.submit(%(job_id)s::bigint, %(attempt)s::integer, %(worker_id)s::bigint,
                        %(roles)s::text[], %(report)s::jsonb) AS answer;

-- count_alive --
-- Workers with a recent heartbeat
SELECT count(*) AS num_alive FROM procrastinate.procrastinate_workers
WHERE last_heartbeat > now() - make_interval(secs => %(silent_s)s);

-- worker_totals --
-- The contribution of each worker to a run, by name
SELECT coalesce(w.name, 'unknown') AS name,
       count(*) FILTER (WHERE l.accepted) AS units,
       coalesce(sum(l.images) FILTER (WHERE l.accepted), 0) AS images,
       count(*) FILTER (WHERE NOT l.accepted) AS late,
       sum(l.seconds)::float8 AS seconds
FROM ganns.ledger l LEFT JOIN ganns.workers w ON w.id = l.worker_id
WHERE l.run_id = %(run_id)s AND NOT l.undone
GROUP BY 1 ORDER BY images DESC, name;

-- api_hand_back --
-- Hand back all jobs of a worker, except some
SELECT ganns_api.hand_back(%(worker_id)s::bigint, %(keep)s::bigint[]) AS num;

-- api_worker_view --
-- The data that a worker shows to its user
SELECT num_open, requires, units, images, late FROM ganns_api.worker_view(%(name)s);

-- api_requires --
-- The version of the program that a run needs
SELECT ganns_api.requires(%(run_id)s::bigint) AS requires;
