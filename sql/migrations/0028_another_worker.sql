-- A unit that is held too long goes to another worker: where there is none, it stays where it is.

CREATE FUNCTION ganns.another_worker(_job_id bigint, _worker_id bigint) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- Whether a live worker could take this job; not the one with this number, and none of the same login and name.
    SELECT EXISTS (
        SELECT FROM procrastinate.procrastinate_jobs j
        JOIN procrastinate.procrastinate_workers p ON p.last_heartbeat > now() - interval '15 seconds'
        LEFT JOIN ganns.task_workers w ON w.worker_id = p.id  -- a stock worker of an old release has no row
        LEFT JOIN ganns.task_workers me ON me.worker_id = _worker_id
        LEFT JOIN ganns.task_rules r ON r.task_name = j.task_name
        WHERE j.id = _job_id AND p.id IS DISTINCT FROM _worker_id
          AND NOT coalesce(w.login = me.login AND w.name = me.name, false)
          AND NOT coalesce(w.draining, false) AND w.preparing IS NULL AND coalesce(j.task_name = ANY (w.tasks), true)
          AND coalesce(r.requires <@ w.abilities AND r.memory_mb <= w.memory_mb, true)
          AND NOT EXISTS (SELECT FROM ganns.task_refusals x WHERE x.worker_id = p.id
                          AND x.task_name = j.task_name AND j.args @> x.args)
          AND NOT ganns.is_excluded(j.args, w.login, w.name))
$$;
