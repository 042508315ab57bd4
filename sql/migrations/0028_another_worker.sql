-- A unit that is held too long goes to another worker: where there is none, it stays where it is.

CREATE FUNCTION ganns.able_workers(_job_id bigint)
    RETURNS TABLE (worker_id bigint, login name, name text, preparing text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- The live workers that may take this job. A stock worker of an old release has no login and no name here.
    SELECT p.id, w.login, w.name, w.preparing
    FROM procrastinate.procrastinate_jobs j
    JOIN procrastinate.procrastinate_workers p ON p.last_heartbeat > now() - interval '15 seconds'
    LEFT JOIN ganns.task_workers w ON w.worker_id = p.id
    LEFT JOIN ganns.task_rules r ON r.task_name = j.task_name
    WHERE j.id = _job_id
      AND NOT coalesce(w.draining, false) AND coalesce(j.task_name = ANY (w.tasks), true)
      AND coalesce(r.requires <@ w.abilities AND r.memory_mb <= w.memory_mb, true)
      AND NOT EXISTS (SELECT FROM ganns.task_refusals x WHERE x.worker_id = p.id
                      AND x.task_name = j.task_name AND j.args @> x.args)
      AND NOT ganns.is_excluded(j.args, w.login, w.name)
$$;

CREATE OR REPLACE FUNCTION ganns.another_login(_job_id bigint, _login name) RETURNS boolean
    LANGUAGE sql STABLE
AS $$
    -- Whether a live worker of another login could take this job, a login that did not fail in it yet
    SELECT EXISTS (
        SELECT FROM ganns.able_workers(_job_id) a
        WHERE a.login <> _login
          AND NOT EXISTS (SELECT FROM ganns.task_attempts t WHERE t.job_id = _job_id AND t.login = a.login))
$$;

CREATE FUNCTION ganns.another_worker(_job_id bigint, _worker_id bigint) RETURNS boolean
    LANGUAGE sql STABLE
AS $$
    -- Whether a live worker could take this job at once; not the one with this number, and none of the same login and name
    SELECT EXISTS (
        SELECT FROM ganns.able_workers(_job_id) a
        LEFT JOIN ganns.task_workers me ON me.worker_id = _worker_id
        WHERE a.preparing IS NULL AND a.worker_id IS DISTINCT FROM _worker_id
          AND NOT coalesce(a.login = me.login AND a.name = me.name, false))
$$;
