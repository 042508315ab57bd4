-- The microscope's own functions, in the scratch database. Each answers with JSON. They lock nothing that a scene could
-- notice: only AccessShareLock, which hinders nobody but DROP and ALTER TABLE.
DROP SCHEMA IF EXISTS microscope CASCADE;
CREATE SCHEMA microscope;

-- Make the schema of the scene's tables anew, and empty.
CREATE FUNCTION microscope.clear() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    DROP SCHEMA IF EXISTS scene CASCADE;
    CREATE SCHEMA scene;
    RETURN '{}';
END
$$;

-- For each of these processes, the processes that it waits for.
CREATE FUNCTION microscope.blockers(processes int[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_object_agg(one, to_jsonb(pg_blocking_pids(one))) FROM unnest(processes) AS one
$$;

-- The snapshot of this session: [xmin, xmax, [transactions that run]].
CREATE FUNCTION microscope.snapshot() RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_array(
        pg_snapshot_xmin(s)::text::bigint,
        pg_snapshot_xmax(s)::text::bigint,
        coalesce((SELECT jsonb_agg(x::text::bigint) FROM pg_snapshot_xip(s) AS x), '[]'))
    FROM pg_current_snapshot() AS s
$$;

-- The number of each process's transaction, if it has one: a transaction gets a number when it first writes or locks a row.
CREATE FUNCTION microscope.numbers(processes int[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT coalesce(jsonb_object_agg(pid, backend_xid::text::bigint), '{}')
    FROM pg_stat_activity WHERE pid = ANY (processes) AND backend_xid IS NOT NULL
$$;

-- The locks of each process: what, mode, whether it has it. Locks for reading a table, and those of indexes, are left out.
CREATE FUNCTION microscope.locks(processes int[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_array(pid, what, mode, granted) ORDER BY granted DESC, what, mode), '[]')
    FROM (
        SELECT l.pid, l.mode, l.granted,
            CASE l.locktype
                WHEN 'relation' THEN c.relname
                WHEN 'transactionid' THEN 'transaction ' || l.transactionid
                WHEN 'tuple' THEN 'a row of ' || c.relname
                ELSE l.locktype || ' ' || coalesce(l.objid::text, '')
            END AS what
        FROM pg_locks AS l LEFT JOIN pg_class AS c ON c.oid = l.relation
        WHERE l.pid = ANY (processes)
            AND (l.locktype IN ('transactionid', 'tuple', 'advisory') OR (l.locktype = 'relation' AND c.relkind IN ('r', 'p')
                AND c.relnamespace <> 'pg_catalog'::regnamespace AND l.mode <> 'AccessShareLock'))
    ) AS found
$$;

-- The rows of these tables, as this session sees them: [table, xmin, xmax, values].
-- A serializable transaction remembers what it has read: so this function reads nothing in it, and no table that another
-- session has locked against reading: the microscope must not wait for it.
CREATE FUNCTION microscope.rows(tables text[]) RETURNS jsonb LANGUAGE plpgsql SET lock_timeout = '50ms' AS $$
DECLARE
    one text;
    rows_of_it jsonb;
    found jsonb := '[]';
BEGIN
    IF current_setting('transaction_isolation') = 'serializable' THEN
        RETURN found;
    END IF;
    FOREACH one IN ARRAY tables LOOP
        EXECUTE format(
            'SELECT coalesce(jsonb_agg(jsonb_build_array(%L, t.xmin::text::bigint, t.xmax::text::bigint, to_jsonb(t))'
            ' ORDER BY to_jsonb(t)::text), ''[]'') FROM %s AS t', one, one::regclass
        ) INTO rows_of_it;
        found := found || rows_of_it;
    END LOOP;
    RETURN found;
EXCEPTION WHEN lock_not_available THEN
    RETURN '[]';
END
$$;

-- End a process, and wait until it is gone.
CREATE FUNCTION microscope.kill(process text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT to_jsonb(pg_terminate_backend(process::int, 10000))
$$;
