-- Results that are computed again, and logins whose results are taken no more.

CREATE TABLE ganns.audits (  -- a result that the coordinator, or a trusted worker, computed again
    run_id bigint NOT NULL REFERENCES ganns.runs ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('unit', 'evaluation')),
    round integer NOT NULL,  -- of an evaluation: the version
    unit integer NOT NULL,  -- of an evaluation: the part
    worker_id bigint,
    login name NOT NULL,
    name text NOT NULL,  -- the worker's; '' for a student, whose workers all count as one
    agreed boolean NOT NULL,
    alike boolean NOT NULL,  -- both machines are of one kind: compared bit for bit
    same boolean NOT NULL,  -- bit for bit
    distance double precision NOT NULL,  -- relative, of the gradient or change; may be NaN
    sums double precision NOT NULL,  -- of BatchNorm's, in standard deviations
    metrics double precision NOT NULL,
    auditor text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, kind, round, unit)
);
CREATE INDEX audits_subject ON ganns.audits (login, name);  -- for the trust of a login, over all runs

CREATE TABLE ganns.quarantines (  -- logins that get no more units of a run
    run_id bigint NOT NULL REFERENCES ganns.runs ON DELETE CASCADE,
    login name NOT NULL,
    name text NOT NULL,  -- as in ganns.audits
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    undone_at timestamptz,  -- an instructor took it back
    PRIMARY KEY (run_id, login, name)
);

CREATE FUNCTION ganns.is_students_login(_login name) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM ganns.students s WHERE s.login = _login)
$$;

CREATE FUNCTION ganns.is_trusted(_login name) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    -- It may write the tables themselves, so that nothing is hidden from it anyway
    SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = _login)
       AND has_any_column_privilege(_login, 'ganns.runs', 'UPDATE') AND NOT ganns.is_students_login(_login)
$$;

CREATE FUNCTION ganns.is_quarantined(_run_id bigint, _login name, _name text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM ganns.quarantines q
                   WHERE q.run_id = _run_id AND q.login = _login AND q.name IN ('', _name) AND q.undone_at IS NULL)
$$;

-- No job of such a run for a login in quarantine, and no audit for a login that is not trusted: two more conditions for
-- ganns_api.task_fetch, and one for ganns_api.claim, as the migrations before have left them.
DO $do$
DECLARE
    _fetch text := pg_get_functiondef('ganns_api.task_fetch(character varying[], bigint)'::regprocedure);
    _claim text := pg_get_functiondef('ganns_api.claim(bigint, integer, bigint)'::regprocedure);
    _line text := 'AND jobs.task_name <> ALL (_shut)';
    _last text := 'AND coalesce(cardinality(array_positions(u.refused_from, _worker_id)), 0) < 3';
BEGIN
    IF strpos(_fetch, _line) = 0 OR strpos(_claim, _last) = 0 THEN
        RAISE EXCEPTION 'ganns_api.task_fetch has no line %, or ganns_api.claim no line %', _line, _last;
    END IF;
    EXECUTE replace(_fetch, _line, _line || '
          AND NOT EXISTS (SELECT FROM ganns.quarantines q
                          WHERE q.login = session_user AND q.name IN ('''', me.name) AND q.undone_at IS NULL
                            AND jobs.args @> jsonb_build_object(''run'', q.run_id))
          AND (jobs.task_name <> ''audit'' OR ganns.is_trusted(session_user))');
    EXECUTE replace(_claim, _last, _last || '
      AND NOT ganns.is_quarantined(u.run_id, session_user,
                                   (SELECT w.name FROM ganns.workers w WHERE w.id = _worker_id))');
END
$do$;
