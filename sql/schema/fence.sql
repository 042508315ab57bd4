-- What PostgreSQL lets every login do in a database, and students need not: `ganns students add` takes it away as far as this
-- login may. `ganns db audit` lists what is still open. Run for each student; running it twice does no harm.
DO $$
DECLARE
    f record;
BEGIN
    -- REVOKE by a login that is not the owner changes nothing and only warns; without any right at all it is an error.
    BEGIN
        IF has_database_privilege('ganns_student', current_database(), 'TEMPORARY') THEN
            EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
        END IF;
        IF NOT has_database_privilege('ganns_student', current_database(), 'CONNECT') THEN
            EXECUTE format('GRANT CONNECT ON DATABASE %I TO ganns_student', current_database());
        END IF;
        IF has_schema_privilege('ganns_student', 'public', 'CREATE') THEN  -- before PostgreSQL 15
            REVOKE CREATE ON SCHEMA public FROM PUBLIC;
        END IF;
    EXCEPTION WHEN insufficient_privilege OR invalid_schema_name THEN NULL;
    END;
    -- Functions of PostgreSQL itself, in this database alone, belong to a superuser. Large objects fill the disk, and so do
    -- messages in the log of changes (WAL); with advisory locks one login stops another, or fills the memory for locks.
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN;
    END IF;
    FOR f IN SELECT p.oid::regprocedure AS signature FROM pg_proc p
             WHERE p.pronamespace = 'pg_catalog'::regnamespace AND has_function_privilege('ganns_student', p.oid, 'EXECUTE')
               AND (p.proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$'
                    OR p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_open', 'lo_put', 'lo_import',
                                 'pg_logical_emit_message')) LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f.signature);
    END LOOP;
END
$$;
