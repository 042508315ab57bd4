-- Audits: results that were computed again, and the trust of logins.

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
-- instructor let it in again
WITH readmitted AS (
    SELECT login, name, undone_at FROM ganns.exclusions WHERE run_id = %(run_id)s
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
-- The audits of a run for each login, with the first round of a wrong result; and who gets no more units, also without audits
WITH audited AS (
    SELECT login, name, count(*) AS audits, count(*) FILTER (WHERE NOT agreed) AS failed, count(*) FILTER (WHERE same) AS same,
           max(distance) AS distance, min(round) FILTER (WHERE NOT agreed AND kind = 'unit') AS first_bad_round
    FROM ganns.audits WHERE run_id = %(run_id)s GROUP BY login, name
), excluded AS (
    SELECT login, name, kind, reason, at FROM ganns.exclusions WHERE run_id = %(run_id)s AND undone_at IS NULL
)
SELECT login, name, (SELECT s.label FROM ganns.students s WHERE s.login = found.login) AS label,
       coalesce(audits, 0) AS audits, coalesce(failed, 0) AS failed, coalesce(same, 0) AS same, distance, first_bad_round,
       kind, reason, at
FROM (SELECT * FROM audited FULL JOIN excluded USING (login, name)) AS found
ORDER BY at IS NULL, failed DESC, login, name;

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
