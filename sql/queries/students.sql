-- Students and their logins: who they are, what they did, what they could do beside their work.

-- insert_student --
-- Record a student's login
INSERT INTO ganns.students (login, label, max_workers) VALUES (%(login)s::name, %(label)s, %(max_workers)s::integer);

-- find_student --
-- A student by label or login
SELECT s.login::text AS login, s.label, s.max_workers, s.revoked_at IS NOT NULL AS revoked,
       EXISTS (SELECT FROM pg_roles r WHERE r.rolname = s.login) AS has_role
FROM ganns.students s WHERE s.label = %(name)s OR s.login = %(name)s::name;

-- list_students --
-- Every student with live workers and credit
SELECT s.login::text AS login, s.label, s.revoked_at IS NOT NULL AS revoked, s.created_at,
       (SELECT count(*) FROM ganns.task_workers t JOIN procrastinate.procrastinate_workers p ON p.id = t.worker_id
        WHERE t.login = s.login AND p.last_heartbeat > now() - interval '15 seconds') AS workers,
       coalesce(credit.units, 0) AS units, coalesce(credit.images, 0) AS images
FROM ganns.students s LEFT JOIN (
    SELECT w.login, count(*) AS units, sum(l.images)::bigint AS images
    FROM ganns.ledger l JOIN ganns.workers w ON w.id = l.worker_id
    WHERE l.accepted AND NOT l.undone GROUP BY w.login
) AS credit ON credit.login = s.login
ORDER BY s.label;

-- set_revoked --
-- Record that a student's login was revoked, or that it is valid again
UPDATE ganns.students SET revoked_at = CASE WHEN %(revoked)s THEN coalesce(revoked_at, now()) END WHERE login = %(login)s::name;

-- delete_student --
-- Forget a student; the credit stays with the workers' names
DELETE FROM ganns.students WHERE login = %(login)s::name;

-- end_sessions --
-- End a login's sessions, and wait for each until it is gone; false if it still is there, or was gone already
SELECT a.pid, pg_terminate_backend(a.pid, 5000) AS ended FROM pg_stat_activity a WHERE a.usename = %(login)s::name;

-- sessions_left --
-- Which of these sessions of a login are still there (MATERIALIZED: after the list was forgotten, which is kept till the
-- end of a transaction)
WITH forgotten AS MATERIALIZED (SELECT pg_stat_clear_snapshot())
SELECT a.pid FROM forgotten CROSS JOIN LATERAL pg_stat_get_activity(NULL) a JOIN pg_roles r ON r.oid = a.usesysid
WHERE r.rolname = %(login)s::name AND a.pid = ANY(%(pids)s::integer[]);

-- hand_on --
-- Queue all that a login's workers hold again, and forget these workers; return the number of jobs
SELECT ganns.hand_on(%(login)s::name) AS num;

-- role_rights --
-- Whether this login may create roles, and give the students' common one
SELECT r.rolsuper AS is_superuser, r.rolsuper OR r.rolcreaterole AS may_create,
       to_regrole('ganns_student') IS NOT NULL AS has_group,
       r.rolsuper OR coalesce((SELECT bool_or(m.admin_option) FROM pg_auth_members m
                               WHERE m.roleid = to_regrole('ganns_student') AND m.member = r.oid), false)
       OR (r.rolcreaterole AND current_setting('server_version_num')::integer < 160000) AS may_give_group,
       current_user::text AS role
FROM pg_roles r WHERE r.rolname = current_user;
