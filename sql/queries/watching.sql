-- Queries of `ganns dashboard` and `ganns top`. They only read, as the role ganns_viewer, and no other transaction
-- waits for them.

-- become_viewer --
-- Limit this connection to reading what the class may see
SELECT set_config('default_transaction_read_only', 'on', false), set_config('statement_timeout', '10s', false),
       CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'ganns_viewer') AND pg_has_role(
                session_user, 'ganns_viewer',  -- from PostgreSQL 16 on, not each member may switch to the role
                CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END)
            THEN set_config('role', 'ganns_viewer', false) END AS role;

-- watch_runs --
-- Every run, newest first, with its last metrics, its best version's metrics and the sweeps that it belongs to
SELECT r.id AS run, r.name, r.state, r.version, r.images, r.num_images, r.created_at, r.finished_at, r.best_version,
       r.wanted, r.wanted_units, (r.config #>> '{quorum,units}')::integer AS units,
       coalesce(r.lease_until > now(), false) AS coordinated, m.seconds, m.metrics,
       e.metrics AS best_metrics,
       (SELECT count(*) FROM ganns.samples s WHERE s.run_id = r.id) AS num_samples,
       ARRAY(SELECT p.sweep FROM ganns.sweep_points p WHERE p.run_id = r.id ORDER BY p.sweep) AS sweeps
FROM ganns.runs r
LEFT JOIN LATERAL (SELECT seconds, metrics FROM ganns.metrics m WHERE m.run_id = r.id
                   ORDER BY m.round DESC LIMIT 1) m ON true
LEFT JOIN ganns.evaluations e ON e.run_id = r.id AND e.version = r.best_version
ORDER BY r.id DESC LIMIT 500;

-- watch_run --
-- One run, and the number of live workers
SELECT r.id AS run, r.name, r.state, r.version, r.images, r.num_images, r.created_at, r.finished_at, r.best_version,
       r.went_back_at_version, r.lease_holder AS coordinator, coalesce(r.lease_until > now(), false) AS coordinated,
       r.config, r.wanted, r.wanted_units, e.metrics AS best_metrics,
       (SELECT c.asked_by FROM ganns.controls c WHERE c.run_id = r.id AND c.what <> 'quorum'
        ORDER BY c.number DESC LIMIT 1) AS asked_by,
       (SELECT count(*) FROM procrastinate.procrastinate_workers w
        WHERE w.last_heartbeat > now() - interval '10 seconds') AS workers_alive
FROM ganns.runs r LEFT JOIN ganns.evaluations e ON e.run_id = r.id AND e.version = r.best_version
WHERE r.id = %(run_id)s;

-- watch_incidents --
-- What was done about sessions and workers for a run within the last hour, newest first; no login, for viewers
SELECT id AS number, kind, worker, reason, at FROM ganns.incidents
WHERE run_id = %(run_id)s AND at > now() - interval '1 hour' ORDER BY id DESC LIMIT %(num)s;

-- watch_rounds --
-- The open rounds and the one that closed last
(SELECT round, weights_version AS version, quorum, closed_at IS NULL AS open,
        extract(epoch FROM coalesce(closed_at, now()) - opened_at)::float8 AS age_s,
        extract(epoch FROM deadline_at - now())::float8 AS deadline_s
 FROM ganns.rounds WHERE run_id = %(run_id)s AND closed_at IS NULL)
UNION ALL
(SELECT round, weights_version, quorum, false, extract(epoch FROM closed_at - opened_at)::float8, NULL
 FROM ganns.rounds WHERE run_id = %(run_id)s AND closed_at IS NOT NULL ORDER BY round DESC LIMIT 1)
ORDER BY round;

-- watch_units --
-- The state of each unit of some rounds
SELECT u.round, u.unit, u.count AS images, coalesce(w.name, '') AS worker, cardinality(u.refused_from) AS num_refused,
       CASE WHEN k.unit IS NOT NULL THEN 'skipped'
            WHEN l.accepted THEN 'accepted'
            WHEN NOT l.accepted THEN 'late'
            WHEN s.unit IS NOT NULL THEN 'submitted'
            WHEN o.closed_at IS NOT NULL THEN 'cancelled'
            WHEN u.claimed_at IS NOT NULL THEN 'computing'
            WHEN cardinality(u.refused_from) > 0 THEN 'refused'
            ELSE 'waiting' END AS state,
       extract(epoch FROM coalesce(s.submitted_at, o.closed_at, now()) - u.claimed_at)::float8 AS seconds
FROM ganns.units u
JOIN ganns.rounds o ON o.run_id = u.run_id AND o.round = u.round
LEFT JOIN ganns.results s ON s.run_id = u.run_id AND s.round = u.round AND s.unit = u.unit
LEFT JOIN ganns.skipped k ON k.run_id = u.run_id AND k.round = u.round AND k.unit = u.unit
LEFT JOIN LATERAL (SELECT bool_or(accepted) AS accepted, max(worker_id) AS worker_id FROM ganns.ledger l
                   WHERE l.run_id = u.run_id AND l.round = u.round AND l.unit = u.unit AND NOT l.undone) l ON true
LEFT JOIN ganns.workers w ON w.id = coalesce(s.worker_id, l.worker_id, u.claimed_by)
WHERE u.run_id = %(run_id)s AND u.round = ANY(%(rounds)s::integer[])
ORDER BY u.round, u.unit;

-- watch_metrics --
-- The metrics of a run's rounds from a given one on, in order
SELECT round, images, seconds, metrics, timings, bytes_up, bytes_down, extract(epoch FROM at)::float8 AS at
FROM ganns.metrics WHERE run_id = %(run_id)s AND round >= %(first)s ORDER BY round;

-- watch_waited_for --
-- The units of open rounds that are being computed, the longest first: whose, for how long, how long a unit of that name
-- (or else of all) usually takes, and how long its worker has been silent
WITH took AS (
    SELECT worker_id, extract(epoch FROM submitted_at - claimed_at)::float8 AS seconds FROM ganns.ledger
    WHERE run_id = %(run_id)s AND round >= %(first)s AND NOT undone AND submitted_at > claimed_at
), usual AS (
    SELECT w.name, percentile_cont(0.5) WITHIN GROUP (ORDER BY took.seconds) AS seconds
    FROM took JOIN ganns.workers w ON w.id = took.worker_id GROUP BY w.name
)
SELECT u.round, u.unit, w.name, extract(epoch FROM now() - u.claimed_at)::float8 AS seconds,
       coalesce(usual.seconds, (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FROM took)) AS usual_s,
       CASE WHEN isfinite(p.last_heartbeat) THEN extract(epoch FROM now() - p.last_heartbeat)::float8 END AS silent_s
FROM ganns.units u
JOIN ganns.rounds o ON o.run_id = u.run_id AND o.round = u.round AND o.closed_at IS NULL
JOIN ganns.workers w ON w.id = u.claimed_by
LEFT JOIN procrastinate.procrastinate_workers p ON p.id = w.id
LEFT JOIN usual ON usual.name = w.name
WHERE u.run_id = %(run_id)s AND u.claimed_at IS NOT NULL AND NOT EXISTS (
    SELECT FROM ganns.results s WHERE s.run_id = u.run_id AND s.round = u.round AND s.unit = u.unit)
ORDER BY u.claimed_at LIMIT 20;

-- watch_preparing --
-- Workers that are here and prepare images before they take a unit
SELECT w.name, t.preparing FROM ganns.task_workers t
JOIN ganns.workers w ON w.id = t.worker_id
JOIN procrastinate.procrastinate_workers p ON p.id = w.id
WHERE t.preparing <> '' AND p.last_heartbeat > now() - interval '10 seconds' ORDER BY w.name, w.id LIMIT 3;

-- watch_marks --
-- What a chart of a run marks: orders, and workers that joined while it was trained; the newest
SELECT extract(epoch FROM at)::float8 AS at, what AS kind, units, asked_by AS who
FROM ganns.controls WHERE run_id = %(run_id)s
UNION ALL
SELECT extract(epoch FROM w.registered_at)::float8, 'joined', NULL, w.name
FROM ganns.workers w JOIN ganns.runs r ON r.id = %(run_id)s
WHERE w.registered_at BETWEEN r.created_at AND coalesce(r.finished_at, now())
ORDER BY at DESC LIMIT 200;

-- watch_clock --
-- The server's time, in seconds since 1970
SELECT extract(epoch FROM clock_timestamp())::float8 AS now;

-- watch_closings --
-- The rounds that were open at some time between two moments, with the results that each took and those that came late
SELECT r.round, r.quorum, extract(epoch FROM r.opened_at)::float8 AS opened_at,
       extract(epoch FROM r.closed_at)::float8 AS closed_at,
       l.accepted, l.late, l.images
FROM ganns.rounds r
LEFT JOIN LATERAL (SELECT count(*) FILTER (WHERE accepted) AS accepted, count(*) FILTER (WHERE NOT accepted) AS late,
                          coalesce(sum(images) FILTER (WHERE accepted), 0)::bigint AS images
                   FROM ganns.ledger l WHERE l.run_id = r.run_id AND l.round = r.round AND NOT l.undone) l ON true
WHERE r.run_id = %(run_id)s AND (r.closed_at IS NULL OR r.closed_at >= to_timestamp(%(since)s))
  AND r.opened_at <= to_timestamp(%(until)s)
ORDER BY r.round LIMIT 5000;

-- watch_rates --
-- The last rounds' progress, newest first: (images, seconds of training)
SELECT images, seconds FROM ganns.metrics WHERE run_id = %(run_id)s ORDER BY round DESC LIMIT %(num)s;

-- watch_worker_speed --
-- The images that the median worker of these rounds computes in a second, without any waiting; NULL: it is not known
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY images / seconds) AS images_per_s
FROM (SELECT sum(images)::float8 AS images, sum(seconds)::float8 AS seconds FROM ganns.ledger
      WHERE run_id = %(run_id)s AND round >= %(first)s AND accepted AND NOT undone GROUP BY worker_id) AS by_worker
WHERE seconds > 0;

-- watch_credit --
-- The contribution of each name, by round
SELECT l.round, coalesce(w.name, 'unknown') AS name, sum(l.images) FILTER (WHERE l.accepted) AS images,
       count(*) FILTER (WHERE l.accepted) AS units, count(*) FILTER (WHERE NOT l.accepted) AS late,
       sum(l.seconds)::float8 AS compute_s, sum(l.network_s)::float8 AS network_s, sum(l.images) AS all_images
FROM ganns.ledger l LEFT JOIN ganns.workers w ON w.id = l.worker_id
WHERE l.run_id = %(run_id)s AND NOT l.undone AND l.round >= %(first)s
GROUP BY l.round, 2 ORDER BY l.round, 2;

-- watch_workers --
-- All workers by name, present or gone: the latest registration of each, its heartbeat, and the unit that it computes
SELECT DISTINCT ON (w.name) w.name, w.id AS worker, w.registered_at,
       CASE WHEN pg_column_size(w.info) <= 8000 THEN w.info END AS info,  -- a worker may write any number of bytes
       min(w.registered_at) OVER (PARTITION BY w.name) AS first_joined_at,
       count(*) OVER (PARTITION BY w.name) AS times_joined,
       CASE WHEN isfinite(p.last_heartbeat) THEN extract(epoch FROM now() - p.last_heartbeat)::float8 END AS silent_s,
       coalesce(t.draining, false) AS draining, t.preparing,
       u.run_id AS run, u.round, u.unit
FROM ganns.workers w
LEFT JOIN procrastinate.procrastinate_workers p ON p.id = w.id
LEFT JOIN ganns.task_workers t ON t.worker_id = w.id
LEFT JOIN LATERAL (SELECT u.run_id, u.round, u.unit FROM ganns.units u
                   JOIN ganns.rounds o ON o.run_id = u.run_id AND o.round = u.round AND o.closed_at IS NULL
                   WHERE u.claimed_by = w.id AND NOT EXISTS (
                       SELECT FROM ganns.results s WHERE s.run_id = u.run_id AND s.round = u.round AND s.unit = u.unit)
                   ORDER BY u.claimed_at DESC LIMIT 1) u ON p.id IS NOT NULL
ORDER BY w.name, p.last_heartbeat DESC NULLS LAST, w.id DESC;

-- watch_person --
-- One name's units, newest first, and what their gradients did; the losses are of all units of the round and of the next
SELECT l.run_id AS run, l.round, l.unit, l.images, l.accepted, l.undone, l.seconds AS compute_s, l.network_s, l.at,
       l.cosine_d, l.cosine_g, l.share_d, l.share_g, before.metrics AS before, after.metrics AS after
FROM ganns.ledger l JOIN ganns.workers w ON w.id = l.worker_id
LEFT JOIN ganns.metrics before ON before.run_id = l.run_id AND before.round = l.round AND l.cosine_g IS NOT NULL
LEFT JOIN ganns.metrics after ON after.run_id = l.run_id AND after.round = l.round + 1 AND l.cosine_g IS NOT NULL
WHERE w.name = %(name)s ORDER BY l.at DESC LIMIT %(num)s;

-- watch_registrations --
-- The registrations of a name, with time and machine, newest first
SELECT id AS worker, registered_at, CASE WHEN pg_column_size(info) <= 8000 THEN info END AS info
FROM ganns.workers WHERE name = %(name)s ORDER BY registered_at DESC LIMIT %(num)s;

-- watch_credit_before --
-- The total contribution of each name before a round
SELECT coalesce(w.name, 'unknown') AS name, coalesce(sum(l.images) FILTER (WHERE l.accepted), 0) AS images,
       count(*) FILTER (WHERE l.accepted) AS units, count(*) FILTER (WHERE NOT l.accepted) AS late,
       sum(l.seconds)::float8 AS compute_s, coalesce(sum(l.network_s), 0)::float8 AS network_s,
       sum(l.images) AS all_images
FROM ganns.ledger l LEFT JOIN ganns.workers w ON w.id = l.worker_id
WHERE l.run_id = %(run_id)s AND NOT l.undone AND l.round < %(before)s
GROUP BY 1;

-- watch_person_runs --
-- The contribution of a name to each run, newest first; the seconds are the server's, from the claim to the result
SELECT l.run_id AS run, r.name, coalesce(sum(l.images) FILTER (WHERE l.accepted), 0) AS images,
       count(*) FILTER (WHERE l.accepted) AS units, count(*) FILTER (WHERE NOT l.accepted) AS late,
       sum(coalesce(extract(epoch FROM l.submitted_at - l.claimed_at)::float8, l.seconds)) AS compute_s, min(l.at) AS first_at, max(l.at) AS last_at
FROM ganns.ledger l JOIN ganns.workers w ON w.id = l.worker_id JOIN ganns.runs r ON r.id = l.run_id
WHERE w.name = %(name)s AND NOT l.undone
GROUP BY l.run_id, r.name ORDER BY l.run_id DESC LIMIT %(num)s;

-- watch_sweep --
-- The points of a sweep, in the order of their start, with their results so far
SELECT r.id AS run, r.name, r.config, r.state, r.version, r.images, r.finished_at, r.best_version, r.wanted,
       coalesce(r.lease_until > now(), false) AS coordinated,
       e.metrics AS best_metrics
FROM ganns.sweep_points p
JOIN ganns.runs r ON r.id = p.run_id
LEFT JOIN ganns.evaluations e ON e.run_id = r.id AND e.version = r.best_version
WHERE p.sweep = %(sweep)s ORDER BY r.id;
