-- Sessions that hold up a class: find them, end them, and record that.
--
-- The queries of each tick read no table and no view: where an attacker has used up the memory for locks, only functions
-- like these still answer. So they call what pg_stat_activity and pg_locks are made of.

-- warden_me --
-- The role of this connection
SELECT r.oid AS role, r.rolname AS login FROM pg_roles r WHERE r.rolname = current_user;

-- student_logins --
-- The logins that the warden watches. The condition is always true: it lets this server process keep each role in its
-- memory, since `pg_terminate_backend` looks the role up, and could not where the memory for locks is used up
SELECT role, login, label, shared FROM ganns.student_logins() WHERE pg_get_userbyid(role) = login;

-- all_roles --
-- The numbers of all roles of the server
SELECT r.oid AS role FROM pg_roles r;

-- warden_sessions --
-- The sessions of all roles but these, with the ages of their transaction and statement, and their locks
SELECT a.pid, a.usesysid AS role, a.backend_start AS start, coalesce(a.state, '') AS state, coalesce(a.query, '') AS query,
       coalesce(a.wait_event_type, '') AS waits_for,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS transaction_s,
       extract(epoch FROM clock_timestamp() - a.query_start)::float8 AS statement_s,
       coalesce(l.num, 0) AS num_locks, coalesce(l.num_advisory, 0) AS num_advisory
FROM pg_stat_get_activity(NULL) a
LEFT JOIN (SELECT pid, count(*) AS num, count(*) FILTER (WHERE locktype = 'advisory' AND granted) AS num_advisory
           FROM pg_lock_status() GROUP BY pid) l ON l.pid = a.pid
WHERE coalesce(a.backend_type, 'client backend') = 'client backend' AND a.usesysid <> ALL(%(others)s::oid[]);

-- warden_waits --
-- Our sessions that wait for a lock, and the sessions at the end of each chain, which wait for no lock themselves
WITH RECURSIVE mine AS (
    SELECT a.pid, a.application_name AS application FROM pg_stat_get_activity(NULL) a
    WHERE a.usesysid = %(role)s::oid AND a.wait_event_type = 'Lock' AND a.application_name LIKE 'ganns %%'
), chain(waiter, pid) AS (
    SELECT mine.pid, b.pid FROM mine, unnest(pg_blocking_pids(mine.pid)) AS b(pid)
    UNION
    SELECT chain.waiter, b.pid FROM chain, unnest(pg_blocking_pids(chain.pid)) AS b(pid)
)
SELECT mine.application, a.pid, a.usesysid AS role, pg_get_userbyid(a.usesysid) AS login, a.application_name AS of,
       coalesce((SELECT extract(epoch FROM clock_timestamp() - min(l.waitstart)) FROM pg_lock_status() l
                 WHERE l.pid = mine.pid AND NOT l.granted), 0)::float8 AS waits_s
FROM mine JOIN chain ON chain.waiter = mine.pid
JOIN pg_stat_get_activity(NULL) a ON a.pid = chain.pid AND a.wait_event_type IS DISTINCT FROM 'Lock'
ORDER BY waits_s DESC, a.pid;

-- end_session --
-- End a session; no row if it is gone, or its number belongs to another one now
SELECT pg_terminate_backend(a.pid) AS ended FROM pg_stat_get_activity(NULL) a
WHERE a.pid = %(pid)s AND a.backend_start = %(start)s AND a.usesysid = %(role)s::oid;

-- cancel_waiting --
-- Cancel the statements of our own sessions of this name that wait for a lock
SELECT count(pg_cancel_backend(a.pid)) AS num FROM pg_stat_get_activity(NULL) a
WHERE a.usesysid = %(role)s::oid AND a.wait_event_type = 'Lock' AND starts_with(a.application_name, %(prefix)s);

-- notification_queue --
-- How full the queue of notifications is, from 0 to 1. To ask also lets the server drop what all listeners have read
SELECT pg_notification_queue_usage() AS used;

-- limit_lock_waits --
-- Let each later statement of this connection wait for a lock no longer than this
SELECT set_config('lock_timeout', %(milliseconds)s::integer::text, false);

-- insert_incident --
-- Record what was done about a login, with the names of its workers that are present; no row if another coordinator did
INSERT INTO ganns.incidents (run_id, kind, login, label, worker, reason, pid, session_start)
SELECT %(run_id)s, %(kind)s, %(login)s, %(label)s,
       coalesce(%(worker)s::text, (SELECT left(string_agg(DISTINCT w.name, ', ' ORDER BY w.name), 200) FROM ganns.workers w
                JOIN procrastinate.procrastinate_workers p ON p.id = w.id
                WHERE w.login = %(login)s AND p.last_heartbeat > now() - interval '1 minute'), ''),
       left(%(reason)s, 500), %(pid)s, %(start)s
ON CONFLICT (pid, session_start) DO NOTHING
RETURNING worker, (SELECT count(*) FROM ganns.incidents i
                   WHERE i.login = %(login)s AND i.kind = 'ended' AND i.at > now() - interval '1 day') + 1 AS num;

-- record_revoked --
-- Record that a login may not log in any more
INSERT INTO ganns.incidents (run_id, kind, login, label, reason) VALUES (%(run_id)s, 'revoked', %(login)s, %(label)s, %(reason)s);

-- end_students --
-- End the students' sessions among these; none where the database has no list of students yet
SELECT s.login FROM pg_stat_get_activity(NULL) a JOIN ganns.student_logins() s ON s.role = a.usesysid
WHERE a.pid = ANY(%(pids)s::integer[]) AND pg_terminate_backend(a.pid);
