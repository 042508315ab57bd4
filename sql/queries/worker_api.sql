-- What workers call, but for uploading a result (results.sql). The hardened worker's own calls are at the end.

-- protocol --
-- Whether the database speaks this protocol, its own newest one, and a sentence for the worker's user
SELECT accepted, newest, sentence FROM ganns_api.protocol(%(mine)s::integer);

-- api_register --
-- Register this worker's name and machine
SELECT ganns_api.register(%(worker_id)s::bigint, %(name)s, %(info)s::jsonb);

-- api_run --
-- A run's settings and data set, which a worker checks
SELECT config, fingerprint, num_images, permutation_digest FROM ganns_api.run(%(run_id)s::bigint);

-- api_requires --
-- The version of the program that a run needs
SELECT ganns_api.requires(%(run_id)s::bigint) AS requires;

-- api_claim --
-- Take up the unit of a job; no row if it is no longer wanted
SELECT run_id, round, unit, epoch, start, count, weights_version, class_size, unit_images, micro_batch, lr_g, lr_d
FROM ganns_api.claim(%(job_id)s::bigint, %(attempt)s::integer, %(worker_id)s::bigint);

-- api_weights --
-- A range of a version's weights, at most to the end of a stored chunk; no row if it is not there
SELECT size_bytes, digest, data
FROM ganns_api.weights_range(%(run_id)s::bigint, %(version)s::integer, %(start)s::bigint, %(length)s::integer);

-- api_weight_places --
-- Where else a version's weights are, and by which digests to know them; no row if the database alone has them
SELECT size_bytes, digest, sha256, addresses FROM ganns_api.weight_places(%(run_id)s::bigint, %(version)s::integer);

-- api_published --
-- A version's row, and those of the few versions before it, with the sizes of their links
SELECT version, digest, size_bytes, link_from, link_bytes
FROM ganns_api.published(%(run_id)s::bigint, %(version)s::integer);

-- api_link --
-- A range of the link to a version, at most to the end of a stored chunk; no row if it is not there
SELECT size_bytes, digest, data
FROM ganns_api.link_range(%(run_id)s::bigint, %(version)s::integer, %(start)s::bigint, %(length)s::integer);

-- api_fail_unit --
-- Record an error that may be the unit's, with its traceback
SELECT ganns_api.fail_unit(%(job_id)s::bigint, %(attempt)s::integer, %(worker_id)s::bigint, %(reason)s);

-- api_task_refuse --
-- Get no more jobs of this job's task whose arguments contain these
SELECT ganns_api.task_refuse(%(job_id)s::bigint, %(worker_id)s::bigint, %(args)s::jsonb, %(reason)s);

-- api_hand_back --
-- Give back all that a worker holds, but for some
SELECT ganns_api.hand_back(%(worker_id)s::bigint, %(keep)s::bigint[]) AS num;

-- api_worker_view --
-- The numbers that a worker shows to its user
SELECT num_open, requires, units, images, late FROM ganns_api.worker_view(%(name)s);
