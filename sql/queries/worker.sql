-- What the hardened worker calls, on procrastinate's connection.

-- api_hand_back --
-- Give back all that a worker holds, but for some
SELECT ganns_api.hand_back(%(worker_id)s::bigint, %(keep)s::bigint[]) AS num;

-- api_worker_view --
-- What a worker shows to its user
SELECT num_open, requires, units, images, late FROM ganns_api.worker_view(%(name)s);

-- api_requires --
-- Which program a run needs
SELECT ganns_api.requires(%(run_id)s::bigint) AS requires;
