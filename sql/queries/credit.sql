-- Credit by the server's clock, for one person or all: for `ganns credit`, its certificates and the page of a person.

-- credit_totals --
-- What each person contributed to each run, in a window of time
SELECT c.person, c.login, e.run_id AS run, r.name AS run_name,
       count(*) FILTER (WHERE e.accepted) AS units, coalesce(sum(e.images) FILTER (WHERE e.accepted), 0) AS images,
       count(*) FILTER (WHERE NOT e.accepted) AS late,
       coalesce(sum(e.effort_s), 0)::float8 AS compute_s, count(*) FILTER (WHERE e.effort_s IS NULL) AS untimed,
       array_agg(DISTINCT w.name ORDER BY w.name) AS workers,
       min(coalesce(e.submitted_at, e.at)) AS first_at, max(coalesce(e.submitted_at, e.at)) AS last_at
FROM ganns.efforts e
JOIN ganns.credited c ON c.worker_id = e.worker_id
JOIN ganns.workers w ON w.id = e.worker_id
JOIN ganns.runs r ON r.id = e.run_id
WHERE NOT e.undone AND (%(issued_at)s::timestamptz IS NULL OR e.at < %(issued_at)s::timestamptz)
  AND (%(runs)s::bigint[] IS NULL OR e.run_id = ANY (%(runs)s::bigint[]))
  AND (%(since)s::timestamptz IS NULL OR coalesce(e.submitted_at, e.at) >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR coalesce(e.submitted_at, e.at) < %(until)s::timestamptz)
GROUP BY c.person, c.login, e.run_id, r.name ORDER BY c.person, c.login, e.run_id;

-- credit_uptime --
-- How long each person had at least one worker there; hours of several devices at a time count once. Of some runs: only
-- from their beginning to their end
WITH there AS (
    SELECT c.person, c.login, range_agg(tstzrange(p.since, greatest(p.since, coalesce(p.until, b.last_heartbeat, p.since)))) AS spans
    FROM ganns.presence p
    JOIN ganns.credited c ON c.worker_id = p.worker_id
    LEFT JOIN procrastinate.procrastinate_workers b ON b.id = p.worker_id AND isfinite(b.last_heartbeat)
    GROUP BY c.person, c.login
), asked AS (
    SELECT tstzmultirange(tstzrange(%(since)s::timestamptz, %(until)s::timestamptz))
           * CASE WHEN %(runs)s::bigint[] IS NULL THEN tstzmultirange(tstzrange(NULL, NULL))
                  ELSE coalesce((SELECT range_agg(tstzrange(r.created_at, coalesce(r.finished_at, now())))
                                 FROM ganns.runs r WHERE r.id = ANY (%(runs)s::bigint[])), '{}') END AS spans
)
SELECT there.person, there.login, coalesce((SELECT sum(extract(epoch FROM upper(span) - lower(span)))
                                            FROM unnest(there.spans * asked.spans) AS span), 0)::float8 AS uptime_s
FROM there, asked ORDER BY 1, 2;

-- credit_lines --
-- The lines of the ledger that are one person's, in order: what a certificate's digest is computed from
SELECT r.key::text AS run_key, l.run_id AS run, l.round, l.unit, l.job_id AS job, l.attempt, l.worker_id AS worker, l.epoch,
       l.start, l.images, l.accepted, l.claimed_at, l.submitted_at
FROM ganns.ledger l
JOIN ganns.credited c ON c.worker_id = l.worker_id
JOIN ganns.runs r ON r.id = l.run_id
WHERE c.person = %(person)s AND c.login IS NOT DISTINCT FROM %(login)s::text AND NOT l.undone AND l.at < %(issued_at)s::timestamptz
  AND (%(runs)s::bigint[] IS NULL OR l.run_id = ANY (%(runs)s::bigint[]))
  AND (%(since)s::timestamptz IS NULL OR coalesce(l.submitted_at, l.at) >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR coalesce(l.submitted_at, l.at) < %(until)s::timestamptz)
ORDER BY l.run_id, l.round, l.unit, l.job_id, l.attempt;

-- lock_ledger --
-- Wait until all open transactions have written their lines; those that follow have a later time
LOCK TABLE ganns.ledger IN SHARE MODE;

-- clock --
-- The time by the server's clock
SELECT clock_timestamp() AS now;

-- limit_waiting --
-- Wait for a lock no longer than this, in the open transaction
SELECT set_config('lock_timeout', %(text)s, true);

-- insert_certificate --
-- Record what a certificate is about
INSERT INTO ganns.certificates (digest, person, login, runs, since, until, num_lines, images, issued_at)
VALUES (%(digest)s, %(person)s, %(login)s, %(runs)s::bigint[], %(since)s::timestamptz, %(until)s::timestamptz,
        %(num_lines)s, %(images)s, %(issued_at)s::timestamptz);

-- get_certificate --
-- What a certificate is about
SELECT digest, person, login, runs, since, until, num_lines, images, issued_at FROM ganns.certificates WHERE digest = %(digest)s;

-- credit_units --
-- A person's last units, newest first: what their gradients did, and the losses of all before and after the step.
-- Before: at the version that the round computed at; after: of the next round, on other images
SELECT l.run_id AS run, l.round, l.unit, l.images, w.name AS worker, l.accepted, l.undone, l.submitted_at,
       extract(epoch FROM l.submitted_at - l.claimed_at)::float8 AS elapsed_s,
       l.cosine_d, l.cosine_g, l.share_d, l.share_g, before.metrics AS before, after.metrics AS after
FROM ganns.ledger l
JOIN ganns.workers w ON w.id = l.worker_id
LEFT JOIN ganns.metrics before ON before.run_id = l.run_id AND before.round = l.round AND l.accepted
LEFT JOIN ganns.metrics after ON after.run_id = l.run_id AND after.round = l.round + 1 AND l.accepted
WHERE l.worker_id = ANY (ARRAY(SELECT c.worker_id FROM ganns.credited c
                               WHERE c.person = %(person)s AND c.login IS NOT DISTINCT FROM %(login)s::text))
  AND (%(runs)s::bigint[] IS NULL OR l.run_id = ANY (%(runs)s::bigint[]))
ORDER BY l.at DESC, l.round DESC, l.unit LIMIT %(num)s;
