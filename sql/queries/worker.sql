-- Queries that `ganns worker` adds, on procrastinate's connection.

-- api_hand_back --
-- Hand back all jobs of a worker, except some
SELECT ganns_api.hand_back(%(worker_id)s::bigint, %(keep)s::bigint[]) AS num;

-- api_worker_view --
-- The data that a worker shows to its user
SELECT num_open, requires, units, images, late FROM ganns_api.worker_view(%(name)s);

-- api_requires --
-- The version of the program that a run needs
SELECT ganns_api.requires(%(run_id)s::bigint) AS requires;
