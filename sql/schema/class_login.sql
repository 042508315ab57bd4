-- The login of a class on the embedded server (`ganns db serve` creates it). It trains, and reads and changes all rows, but is
-- no superuser: it can neither run a program nor read a file on the instructor's machine. Run after every migration; running
-- it twice does no harm. On other servers there is no such role, and nothing happens.
DO $$
DECLARE
    _schema text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ganns_class')
       OR NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN;
    END IF;
    FOREACH _schema IN ARRAY ARRAY['ganns', 'ganns_api', 'procrastinate'] LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO ganns_class', _schema);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO ganns_class', _schema);
        EXECUTE format('GRANT ALL ON ALL SEQUENCES IN SCHEMA %I TO ganns_class', _schema);
        EXECUTE format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %I TO ganns_class', _schema);
    END LOOP;
    GRANT ganns_viewer TO ganns_class;
    -- The lease of a run asks whether its holder's server process is still there, also one of another login.
    GRANT pg_read_all_stats TO ganns_class;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'pg_maintain') THEN  -- from PostgreSQL 17 on: VACUUM
        GRANT pg_maintain TO ganns_class;
    END IF;
    EXECUTE format('ALTER ROLE ganns_class IN DATABASE %I SET search_path = procrastinate, public', current_database());
END
$$;
