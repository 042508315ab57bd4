-- A worker prepares for a run (draws, fetches and decodes its images) before it takes a unit of it. So no round waits for
-- a newcomer.

ALTER TABLE ganns.task_workers
    ADD COLUMN prepares jsonb NOT NULL DEFAULT '{}',  -- for each task that needs it, the argument to prepare for
    ADD COLUMN preparing text;  -- how far it is, for people

CREATE TABLE ganns.task_prepared (  -- a worker is ready for the jobs of this task whose arguments contain `args`
    worker_id bigint NOT NULL REFERENCES ganns.task_workers ON DELETE CASCADE,
    task_name text NOT NULL,
    args jsonb NOT NULL,
    PRIMARY KEY (worker_id, task_name, args)
);

CREATE FUNCTION ganns_api.task_prepares(_worker_id bigint, _prepares jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE ganns.task_workers SET prepares = _prepares WHERE worker_id = _worker_id
$$;

CREATE FUNCTION ganns_api.task_to_prepare(_worker_id bigint, _queues varchar[])
    RETURNS TABLE (task_name text, args jsonb)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    -- The oldest waiting job that this worker could take if it had prepared for it
    SELECT j.task_name, jsonb_build_object(p.argument, j.args -> p.argument)
    FROM ganns.task_workers w
    CROSS JOIN LATERAL jsonb_each_text(w.prepares) AS p(task_name, argument)
    JOIN procrastinate.procrastinate_jobs j ON j.task_name = p.task_name AND j.status = 'todo'
    WHERE w.worker_id = _worker_id AND NOT w.draining
      AND (_queues IS NULL OR j.queue_name = ANY (_queues))
      AND NOT EXISTS (SELECT FROM ganns.task_prepared r
                      WHERE r.worker_id = _worker_id AND r.task_name = j.task_name AND j.args @> r.args)
      AND NOT EXISTS (SELECT FROM ganns.task_refusals x
                      WHERE x.worker_id = _worker_id AND x.task_name = j.task_name AND j.args @> x.args)
    ORDER BY j.id LIMIT 1
$$;

CREATE FUNCTION ganns_api.task_prepare(_worker_id bigint, _task_name text, _args jsonb, _text text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    -- Without a text it is ready
    UPDATE ganns.task_workers SET preparing = left(_text, 300) WHERE worker_id = _worker_id;
    INSERT INTO ganns.task_prepared (worker_id, task_name, args)
    SELECT w.worker_id, _task_name, _args FROM ganns.task_workers w WHERE w.worker_id = _worker_id AND _text IS NULL
    ON CONFLICT DO NOTHING
$$;

-- One more condition for ganns_api.task_fetch, as the migrations before have left it.
DO $do$
DECLARE
    _before text := pg_get_functiondef('ganns_api.task_fetch(character varying[], bigint)'::regprocedure);
    _line text := 'AND jobs.task_name <> ALL (_shut)';
    _after text := replace(_before, _line, _line || '
          AND (NOT coalesce(me.prepares ? jobs.task_name, false)
               OR EXISTS (SELECT FROM ganns.task_prepared r WHERE r.worker_id = _worker_id
                          AND r.task_name = jobs.task_name AND jobs.args @> r.args))');
BEGIN
    IF _after = _before THEN
        RAISE EXCEPTION 'ganns_api.task_fetch has no line %', _line;
    END IF;
    EXECUTE _after;
END
$do$;
