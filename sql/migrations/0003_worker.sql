-- What the hardened worker needs: handing back what it holds, and what it shows to its user.

-- "major.minor" of the program that made the run: an older worker computes something else, and takes no units
ALTER TABLE ganns.runs ADD COLUMN requires text NOT NULL DEFAULT '' CHECK (requires ~ '^([0-9]+\.[0-9]+)?$');

CREATE INDEX ledger_worker ON ganns.ledger (worker_id);  -- prevents a scan of all credit for one worker's sum
CREATE INDEX workers_name ON ganns.workers (name);  -- every process of a worker has an id, all have one name

-- Everything that a worker holds but for `_keep`: when it leaves, and when it found out that the answer to a fetch
-- was lost on the way (the job is then `doing`, by a worker that lives and knows nothing of it).
CREATE FUNCTION ganns_api.hand_back(_worker_id bigint, _keep bigint[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
DECLARE
    j record;
    _num integer := 0;
BEGIN
    FOR j IN SELECT id, attempts FROM procrastinate.procrastinate_jobs
             WHERE worker_id = _worker_id AND status = 'doing' AND id <> ALL (_keep) LOOP
        -- Whoever computes on in the meantime cannot submit any more.
        UPDATE ganns.units SET attempt = j.attempts + 1 WHERE job_id = j.id AND attempt <= j.attempts;
        IF ganns_api.task_retry(j.id, j.attempts, 0, NULL, false, NULL, NULL, NULL, NULL) THEN
            _num := _num + 1;
        END IF;
    END LOOP;
    RETURN _num;
END
$$;

-- What a worker shows: is there a run, which program does it need, and the credit so far of all processes that
-- had this name and login.
CREATE FUNCTION ganns_api.worker_view(_name text)
    RETURNS TABLE (num_open integer, requires text, units bigint, images bigint, late bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (SELECT count(*)::integer FROM ganns.runs WHERE state = 'open'),
           coalesce((SELECT r.requires FROM ganns.runs r WHERE r.state = 'open' AND r.requires <> ''
                     ORDER BY string_to_array(r.requires, '.')::integer[] DESC LIMIT 1), ''),
           count(*) FILTER (WHERE l.accepted),
           coalesce(sum(l.images) FILTER (WHERE l.accepted), 0)::bigint,
           count(*) FILTER (WHERE NOT l.accepted)
    FROM ganns.ledger l JOIN ganns.workers w ON w.id = l.worker_id
    WHERE w.name = left(_name, 100) AND w.login = session_user AND NOT l.undone
$$;

CREATE FUNCTION ganns_api.requires(_run_id bigint) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT requires FROM ganns.runs WHERE id = _run_id
$$;
