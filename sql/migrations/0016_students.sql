-- A login for each student: who they are, and what a login may do with workers that it did not register.
--
-- A *student's* session is one whose login may not change our tables. It reaches them only through the functions of
-- ganns_api, and these let it act for its own workers alone. All other logins (the owner's, a class's common one) may change
-- the rows anyway, so for them the functions check nothing more.

CREATE TABLE ganns.students (
    login name PRIMARY KEY,  -- the database role; its name says nothing, since every login can read all names of roles
    label text NOT NULL UNIQUE CHECK (label ~ '^[^[:cntrl:]:]{1,60}$'),  -- what people see; `ada: laptop` is a worker of ada's
    max_workers integer NOT NULL DEFAULT 4 CHECK (max_workers BETWEEN 1 AND 100),  -- at a time
    max_held integer NOT NULL DEFAULT 2 CHECK (max_held BETWEEN 1 AND 100),  -- jobs that one worker may hold at a time
    tasks text[] NOT NULL DEFAULT '{gradient,evaluate}',  -- the tasks whose jobs its workers may take
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

-- Whose attempt it was. Rows of workers come and go; NULL: before this migration
ALTER TABLE ganns.task_attempts ADD COLUMN login name;
CREATE INDEX task_workers_login ON ganns.task_workers (login);  -- for the workers of a student, at each registration

-- Whether this session is a student's. It asks for a right, not for a row in ganns.students: a login whose row is gone may
-- then do nothing. `session_user` is the login itself: SET ROLE does not change it, and inside a SECURITY DEFINER function
-- `current_user` is the owner.
CREATE FUNCTION ganns.is_student() RETURNS boolean
    LANGUAGE sql STABLE
AS $$
    SELECT NOT pg_catalog.has_table_privilege(session_user, 'ganns.task_workers', 'UPDATE')
$$;

CREATE FUNCTION ganns.check_worker(_worker_id bigint) RETURNS boolean
    LANGUAGE plpgsql STABLE
AS $$
-- Raise if a student's session speaks for a worker that its login did not register; return whether it is a student's.
BEGIN
    IF NOT ganns.is_student() THEN
        RETURN false;
    END IF;
    IF NOT EXISTS (SELECT FROM ganns.task_workers w JOIN ganns.students s ON s.login = w.login
                   WHERE w.worker_id = _worker_id AND w.login = session_user AND s.revoked_at IS NULL) THEN
        RAISE EXCEPTION 'worker % was not registered by this login', coalesce(_worker_id::text, 'without a number')
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN true;
END
$$;

CREATE FUNCTION ganns.holds(_job_id bigint, _attempt integer) RETURNS boolean
    LANGUAGE sql STABLE
AS $$
    -- Whether a worker of this login has the job, in this attempt
    SELECT EXISTS (SELECT FROM procrastinate.procrastinate_jobs j
                   JOIN ganns.task_workers w ON w.worker_id = j.worker_id
                   JOIN ganns.students s ON s.login = w.login
                   WHERE j.id = _job_id AND j.status = 'doing' AND j.attempts = _attempt
                     AND w.login = session_user AND s.revoked_at IS NULL)
$$;

CREATE FUNCTION ganns.worker_name(_name text) RETURNS text
    LANGUAGE sql STABLE
AS $$
    -- The name of a worker: a student's begins with the student's label, so that no other login has it
    SELECT CASE WHEN NOT ganns.is_student() THEN left(_name, 100)
                ELSE (SELECT left(s.label || CASE WHEN _name IN ('', s.label) THEN ''
                                                  ELSE ': ' || regexp_replace(_name, '[[:cntrl:]]', '?', 'g') END, 100)
                      FROM ganns.students s WHERE s.login = session_user) END
$$;

CREATE FUNCTION ganns.check_place() RETURNS void
    LANGUAGE plpgsql
AS $$
-- Raise if this student's login has as many live workers as it may have, or was revoked.
DECLARE
    s ganns.students;
BEGIN
    SELECT * INTO s FROM ganns.students WHERE login = session_user FOR NO KEY UPDATE;  -- two registrations at once
    IF NOT FOUND OR s.revoked_at IS NOT NULL THEN
        RAISE EXCEPTION 'this login is not one of this class (any more)' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF (SELECT count(*) FROM ganns.task_workers w JOIN procrastinate.procrastinate_workers p ON p.id = w.worker_id
        WHERE w.login = session_user AND p.last_heartbeat > now() - interval '30 seconds') >= s.max_workers THEN
        RAISE EXCEPTION 'this login has % workers already, and may not have more at a time', s.max_workers
            USING ERRCODE = 'configuration_limit_exceeded';  -- a worker asks again, until one of the others is gone
    END IF;
END
$$;

CREATE FUNCTION ganns.another_login(_job_id bigint, _login name) RETURNS boolean
    LANGUAGE sql STABLE
AS $$
    -- Whether a live worker of another login could take this job, a login that did not fail in it yet
    SELECT EXISTS (
        SELECT FROM procrastinate.procrastinate_jobs j
        JOIN ganns.task_workers w ON w.login <> _login AND NOT w.draining AND j.task_name = ANY (w.tasks)
        JOIN procrastinate.procrastinate_workers p ON p.id = w.worker_id
        LEFT JOIN ganns.task_rules r ON r.task_name = j.task_name
        WHERE j.id = _job_id AND p.last_heartbeat > now() - interval '15 seconds'
          AND coalesce(r.requires <@ w.abilities AND r.memory_mb <= w.memory_mb, true)
          AND NOT EXISTS (SELECT FROM ganns.task_refusals x WHERE x.worker_id = w.worker_id
                          AND x.task_name = j.task_name AND j.args @> x.args)
          AND NOT EXISTS (SELECT FROM ganns.task_attempts a WHERE a.job_id = _job_id AND a.login = w.login))
$$;

CREATE FUNCTION ganns.may_fail(_job_id bigint, _login name, _num_attempts integer) RETURNS boolean
    LANGUAGE sql STABLE
AS $$
    -- Whether a job that failed on a student's worker has failed for good: on a second login, too, or after this number of
    -- attempts where no other login is present. The larger number ends what no login can do.
    SELECT EXISTS (SELECT FROM ganns.task_attempts a WHERE a.job_id = _job_id AND a.login <> _login)
        OR tried.num >= 3 * _num_attempts
        OR (tried.num >= _num_attempts AND NOT ganns.another_login(_job_id, _login))
    FROM (SELECT count(*) + 1 AS num FROM ganns.task_attempts a WHERE a.job_id = _job_id) AS tried
$$;

-- What `ganns students revoke` does with a student's work: everything runs elsewhere at once.
CREATE FUNCTION ganns.hand_on(_login name) RETURNS integer
    LANGUAGE plpgsql SET search_path = procrastinate, pg_temp
AS $$
DECLARE
    _num integer;
BEGIN
    SELECT coalesce(sum(ganns_api.hand_back(w.worker_id, '{}')), 0) INTO _num
    FROM ganns.task_workers w WHERE w.login = _login;
    DELETE FROM procrastinate.procrastinate_workers p USING ganns.task_workers w
    WHERE w.login = _login AND p.id = w.worker_id;
    RETURN _num;
END
$$;
