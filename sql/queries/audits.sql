-- Audits: results that were computed again, the trust of logins, and quarantine.

-- audited_workers --
-- The logins and names of some workers, and their descriptions of their machines
SELECT w.id AS worker_id, coalesce(t.login, w.login) AS login, coalesce(t.name, w.name) AS name, w.info,
       ganns.is_students_login(coalesce(t.login, w.login)) AS is_student
FROM ganns.workers w LEFT JOIN ganns.task_workers t ON t.worker_id = w.id
WHERE w.id = ANY(%(worker_ids)s::bigint[]);

-- student_label --
-- The name by which people know a student's login
SELECT label FROM ganns.students WHERE login = %(login)s;

-- workers_of_jobs --
-- The workers that had these jobs last
SELECT id, worker_id FROM procrastinate.procrastinate_jobs WHERE id = ANY(%(job_ids)s::bigint[]);

-- insert_audit --
-- Record an audit
INSERT INTO ganns.audits (run_id, kind, round, unit, worker_id, login, name, agreed, alike, same, distance, sums, metrics,
                          auditor)
VALUES (%(run_id)s, %(kind)s, %(round)s, %(unit)s, %(worker_id)s, %(login)s, %(name)s, %(agreed)s, %(alike)s, %(same)s,
        %(distance)s::float8, %(sums)s::float8, %(metrics)s::float8, %(auditor)s)
ON CONFLICT (run_id, kind, round, unit) DO NOTHING;

-- list_trust --
-- For each audited login: the units in a row that agreed, over all runs, and the failed ones of this run, since an
-- instructor took a quarantine back
WITH readmitted AS (
    SELECT login, name, undone_at FROM ganns.quarantines WHERE run_id = %(run_id)s
), failed AS (
    SELECT login, name, max(at) AS at FROM ganns.audits WHERE NOT agreed GROUP BY login, name
)
SELECT a.login, a.name,
       count(*) FILTER (WHERE a.agreed AND a.kind = 'unit' AND a.at > coalesce(f.at, '-infinity')) AS agreed,
       count(*) FILTER (WHERE NOT a.agreed AND a.run_id = %(run_id)s AND a.at > coalesce(r.undone_at, '-infinity')) AS failed
FROM ganns.audits a
LEFT JOIN failed f ON f.login = a.login AND f.name = a.name
LEFT JOIN readmitted r ON r.login = a.login AND r.name = a.name
GROUP BY a.login, a.name;

-- list_audits --
-- The audits of a run for each login, with the first round of a wrong result, and its quarantine
SELECT a.login, a.name, (SELECT s.label FROM ganns.students s WHERE s.login = a.login) AS label, count(*) AS audits, count(*) FILTER (WHERE NOT a.agreed) AS failed,
       count(*) FILTER (WHERE a.same) AS same, max(a.distance) AS distance,
       min(a.round) FILTER (WHERE NOT a.agreed AND a.kind = 'unit') AS first_bad_round, q.reason, q.at
FROM ganns.audits a
LEFT JOIN ganns.quarantines q
       ON q.run_id = a.run_id AND q.login = a.login AND q.name = a.name AND q.undone_at IS NULL
WHERE a.run_id = %(run_id)s GROUP BY a.login, a.name, q.reason, q.at ORDER BY failed DESC, a.login, a.name;

-- quarantine --
-- Let a login get no more units of a run
INSERT INTO ganns.quarantines (run_id, login, name, reason) VALUES (%(run_id)s, %(login)s, %(name)s, %(reason)s)
ON CONFLICT (run_id, login, name) DO UPDATE SET reason = excluded.reason, at = clock_timestamp(), undone_at = NULL;

-- readmit --
-- Take a quarantine back; its failed audits count no more
UPDATE ganns.quarantines SET undone_at = clock_timestamp()
WHERE run_id = %(run_id)s AND undone_at IS NULL
  AND %(who)s IN (login::text, name, (SELECT s.label FROM ganns.students s WHERE s.login = quarantines.login)) RETURNING login;

-- list_quarantined --
-- The logins that get no more units of a run
SELECT login, name FROM ganns.quarantines WHERE run_id = %(run_id)s AND undone_at IS NULL;

-- units_of_login --
-- A round's units that a login's workers, or those of one name, have claimed, without a result
SELECT u.unit FROM ganns.units u JOIN ganns.workers w ON w.id = u.claimed_by
LEFT JOIN ganns.task_workers t ON t.worker_id = w.id
WHERE u.run_id = %(run_id)s AND u.round = %(round)s
  AND coalesce(t.login, w.login) = %(login)s AND %(name)s IN ('', coalesce(t.name, w.name))
  AND NOT EXISTS (SELECT FROM ganns.results r WHERE r.run_id = u.run_id AND r.round = u.round AND r.unit = u.unit)
  AND NOT EXISTS (SELECT FROM ganns.skipped s WHERE s.run_id = u.run_id AND s.round = u.round AND s.unit = u.unit)
ORDER BY u.unit;

-- trusted_present --
-- Live workers of trusted logins that take new jobs, and have the task
SELECT count(*) AS num FROM procrastinate.procrastinate_workers p JOIN ganns.task_workers t ON t.worker_id = p.id
WHERE p.last_heartbeat > now() - make_interval(secs => %(silent_s)s) AND NOT t.draining AND t.preparing IS NULL
  AND %(task)s = ANY(t.tasks) AND ganns.is_trusted(t.login);
