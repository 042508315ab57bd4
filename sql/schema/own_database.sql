-- The database of the embedded server, and all in it, belongs to ganns_owner. In a folder of an older program it belongs to the
-- superuser. Run at each start, by the superuser; where all is as it should be, nothing changes.
DO $$
DECLARE
    _me oid := current_user::regrole;
    _schemas oid[] := ARRAY(SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema');
    o record;
BEGIN
    PERFORM set_config('lock_timeout', '20s', true);  -- an older program's coordinator may hold locks
    IF (SELECT datdba FROM pg_database WHERE datname = current_database()) = _me THEN
        EXECUTE format('ALTER DATABASE %I OWNER TO ganns_owner', current_database());
    END IF;
    FOR o IN
        SELECT format('SCHEMA %I', nspname) AS name FROM pg_namespace WHERE oid = ANY (_schemas) AND nspowner = _me
        UNION ALL
        -- A sequence that belongs to a table's column goes with the table
        SELECT format('%s %s', CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                                            ELSE 'TABLE' END, oid::regclass)
        FROM pg_class c WHERE relnamespace = ANY (_schemas) AND relowner = _me AND relkind IN ('r', 'p', 'v', 'm', 'S')
          AND (relkind <> 'S' OR NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                                                                       AND d.deptype IN ('a', 'i')))
        UNION ALL
        SELECT format('ROUTINE %s', oid::regprocedure) FROM pg_proc WHERE pronamespace = ANY (_schemas) AND proowner = _me
        UNION ALL
        -- A table's own type goes with the table
        SELECT format('TYPE %s', oid::regtype) FROM pg_type t WHERE typnamespace = ANY (_schemas) AND typowner = _me
          AND (typtype IN ('d', 'e')
               OR (typtype = 'c' AND EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c')))
    LOOP
        EXECUTE format('ALTER %s OWNER TO ganns_owner', o.name);
    END LOOP;
    IF FOUND THEN  -- as the migrations set it for the login that applies them
        EXECUTE format('ALTER ROLE ganns_owner IN DATABASE %I SET search_path = procrastinate, public', current_database());
    END IF;
END
$$;
