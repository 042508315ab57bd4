-- Whose error it is: units that failed on several workers, and jobs that a worker cannot do.

CREATE TABLE ganns.unit_failures (  -- attempts that ended with an error that may be the unit's
    job_id bigint NOT NULL,
    attempt integer NOT NULL,
    run_id bigint NOT NULL,
    round integer NOT NULL,
    unit integer NOT NULL,
    worker text NOT NULL,  -- its name: a worker that was started again is the same one
    reason text NOT NULL,  -- the traceback
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job_id, attempt),
    FOREIGN KEY (run_id, round, unit) REFERENCES ganns.units ON DELETE CASCADE
);
CREATE INDEX unit_failures_unit ON ganns.unit_failures (run_id, round, unit);  -- for the coordinator, once a second

CREATE TABLE ganns.task_refusals (  -- a worker gets no job of this task whose arguments contain `args`
    worker_id bigint NOT NULL REFERENCES ganns.task_workers ON DELETE CASCADE,
    task_name text NOT NULL,
    args jsonb NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (worker_id, task_name, args)
);

CREATE FUNCTION ganns_api.fail_unit(_job_id bigint, _attempt integer, _worker_id bigint, _reason text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO ganns.unit_failures (job_id, attempt, run_id, round, unit, worker, reason)
    SELECT _job_id, _attempt, u.run_id, u.round, u.unit, coalesce(w.name, _worker_id::text), right(_reason, 20000)
    FROM ganns.units u LEFT JOIN ganns.workers w ON w.id = _worker_id
    WHERE u.job_id = _job_id AND u.attempt = _attempt AND u.claimed_by = _worker_id
    ON CONFLICT DO NOTHING
$$;

CREATE FUNCTION ganns_api.task_refuse(_job_id bigint, _worker_id bigint, _args jsonb, _reason text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO ganns.task_refusals (worker_id, task_name, args, reason)
    SELECT w.worker_id, j.task_name, _args, left(_reason, 2000)
    FROM procrastinate.procrastinate_jobs j JOIN ganns.task_workers w ON w.worker_id = j.worker_id
    WHERE j.id = _job_id AND j.worker_id = _worker_id AND j.status = 'doing' AND j.args @> _args
    ON CONFLICT (worker_id, task_name, args) DO UPDATE SET reason = excluded.reason, at = excluded.at
$$;

-- One more condition for ganns_api.task_fetch, as the migrations before have left it.
DO $do$
DECLARE
    _before text := pg_get_functiondef('ganns_api.task_fetch(character varying[], bigint)'::regprocedure);
    _line text := 'AND jobs.task_name <> ALL (_shut)';
    _after text := replace(_before, _line, _line || '
          AND NOT EXISTS (SELECT FROM ganns.task_refusals x WHERE x.worker_id = _worker_id
                          AND x.task_name = jobs.task_name AND jobs.args @> x.args)');
BEGIN
    IF _after = _before THEN
        RAISE EXCEPTION 'ganns_api.task_fetch has no line %', _line;
    END IF;
    EXECUTE _after;
END
$do$;
