-- Sessions and units that hold up a class: which sessions were ended and why, which units were given to another worker, and
-- who is left out of a run.

CREATE TABLE ganns.incidents (  -- what was done about a login's session or worker
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    run_id bigint,  -- whose coordinator did it. No foreign key: a lock on a run's row must not keep the warden from its work
    kind text NOT NULL CHECK (kind IN ('ended', 'revoked', 'overdue', 'excluded')),
    login name NOT NULL,
    label text NOT NULL DEFAULT '',  -- the student's, for the instructor
    worker text NOT NULL DEFAULT '',  -- names of the login's workers, as viewers see them
    reason text NOT NULL,
    pid integer,  -- of the session that was ended, with its start: two coordinators record it once
    session_start timestamptz,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (pid, session_start)
);
CREATE INDEX incidents_login ON ganns.incidents (login);  -- for counting a login's
CREATE INDEX incidents_run ON ganns.incidents (run_id, id);  -- for viewers, at each look
CREATE TRIGGER incident AFTER INSERT ON ganns.incidents FOR EACH ROW EXECUTE FUNCTION ganns.announce('incident');

CREATE FUNCTION ganns.student_logins() RETURNS TABLE (role oid, login name, label text, shared boolean)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- The logins that the warden watches: the students', and the one that a class shares. Never the coordinator's own.
    SELECT r.oid, r.rolname, coalesce(s.label, ''), r.rolname = 'ganns_class'
    FROM pg_roles r LEFT JOIN ganns.students s ON s.login = r.rolname
    WHERE r.rolcanlogin AND NOT r.rolsuper AND r.rolname <> session_user
      AND r.oid <> (SELECT d.datdba FROM pg_database d WHERE d.datname = current_database())
      AND (s.login IS NOT NULL OR r.rolname = 'ganns_class'
           OR EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
                      WHERE m.member = r.oid AND g.rolname = 'ganns_student'))
$$;

CREATE TABLE ganns.overdue_units (  -- attempts that held a unit too long: another worker got it, and their results are late
    job_id bigint NOT NULL,
    attempt integer NOT NULL,
    run_id bigint NOT NULL REFERENCES ganns.runs ON DELETE CASCADE,
    round integer NOT NULL,
    unit integer NOT NULL,
    epoch integer NOT NULL,
    start integer NOT NULL,
    images integer NOT NULL,
    worker_id bigint NOT NULL,
    held_since timestamptz NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job_id, attempt)
);
CREATE INDEX overdue_units_run ON ganns.overdue_units (run_id);  -- prevents a scan when a run is deleted

CREATE FUNCTION ganns.give_on(_job_id bigint, _attempt integer) RETURNS boolean
    LANGUAGE plpgsql SET search_path = procrastinate, pg_temp
AS $$
-- Queue a unit's job again for another worker, though the worker that holds it lives. SKIP LOCKED: what is locked is just
-- being ended or submitted, or a transaction holds it; then the next look decides.
DECLARE
    j procrastinate.procrastinate_jobs;
    u ganns.units;
BEGIN
    SELECT * INTO j FROM procrastinate.procrastinate_jobs
    WHERE id = _job_id AND status = 'doing' AND attempts = _attempt AND NOT abort_requested FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT * INTO u FROM ganns.units WHERE job_id = _job_id FOR UPDATE SKIP LOCKED;
    IF NOT FOUND OR EXISTS (SELECT FROM ganns.results r
                            WHERE r.run_id = u.run_id AND r.round = u.round AND r.unit = u.unit) THEN
        RETURN false;
    END IF;
    INSERT INTO ganns.overdue_units (job_id, attempt, run_id, round, unit, epoch, start, images, worker_id, held_since)
    SELECT _job_id, _attempt, u.run_id, u.round, u.unit, u.epoch, u.start, u.count, j.worker_id, max(e.at)
    FROM procrastinate.procrastinate_events e WHERE e.job_id = _job_id AND e.type = 'started'
    ON CONFLICT DO NOTHING;
    UPDATE ganns.units SET attempt = _attempt + 1, claimed_at = NULL, claimed_by = NULL WHERE job_id = _job_id;
    -- It must not come back to the same worker, under whatever number.
    INSERT INTO ganns.task_refusals (worker_id, task_name, args, reason)
    SELECT w.worker_id, j.task_name, j.args, 'it held this unit too long'
    FROM ganns.task_workers me JOIN ganns.task_workers w ON w.login = me.login AND w.name = me.name
    WHERE me.worker_id = j.worker_id
    ON CONFLICT DO NOTHING;
    PERFORM procrastinate.procrastinate_retry_job_v2(_job_id, NULL, NULL, NULL, NULL);
    PERFORM ganns.task_wake(_job_id, j.queue_name);
    RETURN true;
END
$$;

CREATE FUNCTION ganns.credit_overdue(_job_id bigint, _attempt integer, _worker_id bigint) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
-- Record the effort of an attempt that held its unit too long; the seconds are the server's. False: it is no such attempt.
DECLARE
    o ganns.overdue_units;
BEGIN
    SELECT * INTO o FROM ganns.overdue_units WHERE job_id = _job_id AND attempt = _attempt AND worker_id = _worker_id;
    IF NOT FOUND OR NOT EXISTS (SELECT FROM ganns.workers w WHERE w.id = _worker_id AND w.login = session_user) THEN
        RETURN false;
    END IF;
    INSERT INTO ganns.ledger (run_id, round, unit, job_id, attempt, worker_id, epoch, start, images, seconds, accepted)
    VALUES (o.run_id, o.round, o.unit, _job_id, _attempt, _worker_id, o.epoch, o.start, o.images,
            least(greatest(extract(epoch FROM clock_timestamp() - o.held_since), 0), 1e9), false)
    ON CONFLICT DO NOTHING;
    RETURN true;
END
$$;

-- One more answer of ganns_api.submit, as the migrations before have left it: also after the unit's row is gone.
DO $do$
DECLARE
    _before text := pg_get_functiondef('ganns_api.submit(bigint, integer, bigint, double precision, double precision, '
        'double precision, double precision, double precision, double precision, double precision, double precision)'
        ::regprocedure);
    _line text := 'SELECT * INTO u FROM ganns.units WHERE job_id = _job_id;';
    _after text := replace(_before, _line, 'IF ganns.credit_overdue(_job_id, _attempt, _worker_id) THEN
        RETURN ''late'';
    END IF;
    ' || _line);
BEGIN
    IF _after = _before THEN
        RAISE EXCEPTION 'ganns_api.submit has no line %', _line;
    END IF;
    EXECUTE _after;
END
$do$;

CREATE TABLE ganns.exclusions (  -- a login, or one worker of a login that a class shares, gets no more units of a run
    run_id bigint NOT NULL REFERENCES ganns.runs ON DELETE CASCADE,
    login name NOT NULL,
    worker text NOT NULL,  -- its name; '': all workers of the login
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, login, worker)
);

CREATE FUNCTION ganns.revoke_unlocked(_job_ids bigint[]) RETURNS integer
    LANGUAGE plpgsql SET search_path = procrastinate, pg_temp
AS $$
-- Revoke jobs, but those that a transaction has locked; return the number of these. A worker may hold one for as long as it
-- likes, and a coordinator that closes a round waits for no worker: the cleanup comes back for what is left.
DECLARE
    _free bigint[];
    _num integer;
BEGIN
    SELECT count(*) INTO _num FROM procrastinate.procrastinate_jobs
    WHERE id = ANY (_job_ids) AND (status = 'todo' OR (status = 'doing' AND NOT abort_requested));
    SELECT array_agg(j.id) INTO _free FROM (
        SELECT id FROM procrastinate.procrastinate_jobs
        WHERE id = ANY (_job_ids) AND (status = 'todo' OR (status = 'doing' AND NOT abort_requested))
        ORDER BY id FOR UPDATE SKIP LOCKED) AS j;
    PERFORM ganns.task_revoke(_free, false);
    RETURN _num - coalesce(cardinality(_free), 0);
END
$$;

-- Workers that are gone are removed without waiting for their rows: an open transaction may hold one.
DO $do$
DECLARE
    _before text := pg_get_functiondef('ganns.task_upkeep(double precision)'::regprocedure);
    _line text := 'DELETE FROM procrastinate.procrastinate_workers w WHERE w.last_heartbeat < now() - make_interval(secs => _prune_s);';
    _after text := replace(_before, _line, 'DELETE FROM procrastinate.procrastinate_workers w
    USING (SELECT p.id FROM procrastinate.procrastinate_workers p
           WHERE p.last_heartbeat < now() - make_interval(secs => _prune_s) ORDER BY p.id FOR UPDATE SKIP LOCKED) AS gone
    WHERE w.id = gone.id;');
BEGIN
    IF _after = _before THEN
        RAISE EXCEPTION 'ganns.task_upkeep has no line %', _line;
    END IF;
    EXECUTE _after;
END
$do$;
