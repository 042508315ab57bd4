-- Exclusions: who gets no more units of a run.

-- exclude --
-- Let a login, or one worker of it, get no more units of a run; if it was let in again, it is left out from now on
INSERT INTO ganns.exclusions (run_id, login, name, kind, reason)
VALUES (%(run_id)s, %(login)s, %(name)s, %(kind)s, %(reason)s)
ON CONFLICT (run_id, login, name) DO UPDATE
SET kind = excluded.kind, reason = excluded.reason, at = clock_timestamp(), undone_at = NULL;

-- readmit --
-- Take exclusions back; failed audits of before count no more
UPDATE ganns.exclusions e SET undone_at = clock_timestamp()
WHERE e.run_id = %(run_id)s AND e.undone_at IS NULL
  AND %(who)s IN (e.login::text, nullif(e.name, ''), (SELECT s.label FROM ganns.students s WHERE s.login = e.login))
RETURNING e.login;

-- list_excluded --
-- The logins that get no more units of a run
SELECT login, name FROM ganns.exclusions WHERE run_id = %(run_id)s AND undone_at IS NULL;

-- who_are --
-- The logins and names of some workers, and whether a class shares the login
SELECT w.id AS worker_id, w.login, w.name,
       coalesce((SELECT s.shared FROM ganns.student_logins() s WHERE s.login = w.login), true) AS shared
FROM ganns.workers w WHERE w.id = ANY(%(worker_ids)s::bigint[]);

-- count_others --
-- Live workers that take units of a run, except those of some logins and names
SELECT count(*) AS num FROM procrastinate.procrastinate_workers p
JOIN ganns.workers m ON m.id = p.id
LEFT JOIN ganns.task_workers t ON t.worker_id = p.id
WHERE p.last_heartbeat > now() - make_interval(secs => %(silent_s)s) AND NOT coalesce(t.draining, false)
  AND NOT EXISTS (SELECT FROM ganns.task_refusals x
                  WHERE x.worker_id = p.id AND x.args = jsonb_build_object('run', %(run_id)s::bigint))
  AND NOT ganns.is_excluded(jsonb_build_object('run', %(run_id)s::bigint), m.login, m.name)
  AND NOT EXISTS (SELECT FROM unnest(%(logins)s::name[], %(names)s::text[]) AS e(login, name)
                  WHERE e.login = m.login AND (e.name = '' OR e.name = m.name));
