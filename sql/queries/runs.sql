-- Runs, their leases, and the workers that are alive.

-- create_run --
-- Create a run, at version 0 and without a coordinator
INSERT INTO ganns.runs (name, config, fingerprint, num_images, permutation_digest, requires)
VALUES (%(name)s, %(config)s, %(fingerprint)s, %(num_images)s, %(permutation_digest)s, %(requires)s)
RETURNING id, key;

-- get_run --
-- One run's row
SELECT id, key, name, config, state, fingerprint, num_images, permutation_digest, version, images
FROM ganns.runs WHERE id = %(run_id)s;

-- latest_run --
-- The newest run that is not finished, or else the newest run
SELECT id FROM ganns.runs ORDER BY (state = 'open') DESC, id DESC LIMIT 1;

-- list_runs --
-- Every run with its state, its requested state, its coordinator's lease and its last metrics, newest first
SELECT r.id, r.name, r.state, r.version, r.images, r.created_at, r.lease_holder,
       coalesce(r.lease_until > now(), false) AS coordinated, m.metrics, m.seconds,
       r.wanted, r.wanted_units, (r.config #>> '{quorum,units}')::integer AS units,
       EXISTS (SELECT FROM ganns.rounds o WHERE o.run_id = r.id AND o.closed_at IS NULL) AS in_round
FROM ganns.runs r
LEFT JOIN ganns.metrics m ON m.run_id = r.id AND m.round = r.version - 1
ORDER BY r.id DESC;

-- acquire_lease --
-- Take the run's lease if it is free: it ran out, or its holder's connection no longer exists on the server
UPDATE ganns.runs r
SET generation = r.generation + 1,
    lease_holder = %(holder)s,
    lease_until = now() + make_interval(secs => %(lease_s)s),
    lease_pid = pg_backend_pid(),
    lease_backend_start = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
WHERE r.id = %(run_id)s
  AND (r.lease_until IS NULL OR r.lease_until < now()
       OR NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = r.lease_pid
                      AND (a.backend_start IS NULL OR a.backend_start = r.lease_backend_start)))
RETURNING r.generation;

-- lease_holder --
-- The holder of the run's lease, and the seconds that are left
SELECT lease_holder, extract(epoch FROM lease_until - now())::float8 AS seconds_left
FROM ganns.runs WHERE id = %(run_id)s;

-- hold_lease --
-- Extend the lease, lock the run's row until the transaction ends, and return what instructors requested; no row if
-- another generation took over
UPDATE ganns.runs
SET lease_until = now() + make_interval(secs => %(lease_s)s),
    lease_pid = pg_backend_pid(),
    lease_backend_start = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
WHERE id = %(run_id)s AND generation = %(generation)s
RETURNING wanted, wanted_units AS units;

-- release_lease --
-- Release the lease, so that the next coordinator need not wait
UPDATE ganns.runs SET lease_until = NULL, lease_holder = NULL, lease_pid = NULL, lease_backend_start = NULL
WHERE id = %(run_id)s AND generation = %(generation)s;

-- set_progress --
-- Set the run's current version
UPDATE ganns.runs SET version = %(version)s, images = %(images)s WHERE id = %(run_id)s;

-- set_state --
-- Change open to finished or diverged, or finished to open when it is resumed with a later stop. A run that has ended
-- cannot be paused
UPDATE ganns.runs
SET state = %(state)s, finished_at = CASE WHEN %(state)s = 'open' THEN NULL ELSE now() END,
    wanted = CASE WHEN %(state)s = 'open' THEN wanted ELSE 'run' END
WHERE id = %(run_id)s;

-- set_config --
-- Store a resumed run's changed settings (when to stop; number of workers)
UPDATE ganns.runs SET config = %(config)s WHERE id = %(run_id)s;

-- insert_metrics --
-- Store one round's metrics, its timings, and the bytes that it sent: every worker that has a result fetched the
-- weights once, or the link to them where there is one
INSERT INTO ganns.metrics (run_id, round, images, seconds, metrics, timings, bytes_up, bytes_down)
VALUES (%(run_id)s, %(round)s, %(images)s, %(seconds)s, %(metrics)s, %(timings)s,
        (SELECT coalesce(sum(octet_length(p.data)), 0) FROM ganns.result_parts p
         WHERE p.run_id = %(run_id)s AND p.round = %(round)s),
        (SELECT coalesce(max(coalesce(v.link_bytes, v.size_bytes)), 0) * count(DISTINCT s.worker_id)
         FROM ganns.results s
         JOIN ganns.rounds o ON o.run_id = s.run_id AND o.round = s.round
         JOIN ganns.versions v ON v.run_id = o.run_id AND v.version = o.weights_version
         WHERE s.run_id = %(run_id)s AND s.round = %(round)s))
ON CONFLICT (run_id, round) DO UPDATE
SET images = excluded.images, seconds = excluded.seconds, metrics = excluded.metrics,
    timings = excluded.timings, bytes_up = excluded.bytes_up, bytes_down = excluded.bytes_down, at = now();

-- list_metrics --
-- The metrics of all rounds of a run, in order
SELECT round, images, seconds, metrics, timings FROM ganns.metrics WHERE run_id = %(run_id)s ORDER BY round;

-- count_alive --
-- Workers with a recent heartbeat
SELECT count(*) AS num_alive FROM procrastinate.procrastinate_workers
WHERE last_heartbeat > now() - make_interval(secs => %(silent_s)s);

-- list_infos --
-- What the workers with a recent heartbeat say about themselves: figures and versions, which can be anything
SELECT w.info
FROM procrastinate.procrastinate_workers p
JOIN ganns.workers w ON w.id = p.id
WHERE p.last_heartbeat > now() - make_interval(secs => %(silent_s)s);

-- list_unable --
-- Workers with a recent heartbeat that get no unit of this run (other images, an old program, no plug-in; or they are left
-- out), and why
SELECT coalesce(w.name, p.id::text) AS name, why.reason
FROM procrastinate.procrastinate_workers p
LEFT JOIN ganns.workers w ON w.id = p.id
CROSS JOIN LATERAL (
    SELECT x.reason, x.at FROM ganns.task_refusals x
    WHERE x.worker_id = p.id AND x.args @> jsonb_build_object('run', %(run_id)s::bigint)
    UNION ALL
    SELECT e.reason, e.at FROM ganns.exclusions e
    WHERE e.run_id = %(run_id)s AND e.login = w.login AND e.name IN ('', w.name) AND e.undone_at IS NULL
) AS why
WHERE p.last_heartbeat > now() - make_interval(secs => %(silent_s)s)
ORDER BY why.at DESC;
