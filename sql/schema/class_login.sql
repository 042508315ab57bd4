-- The login of a class on the embedded server (`ganns db serve` creates it). It trains, and reads and changes all rows, but is
-- no superuser: it can neither run a program nor read a file on the instructor's machine. The start of the server lets it see
-- all sessions (`own_server.sql`). Run after every migration; running it twice does no harm. On other servers there is no such
-- role, and nothing happens.
DO $$
DECLARE
    _schema text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ganns_class'
                                          AND pg_has_role(current_user, oid, 'MEMBER WITH ADMIN OPTION')) THEN
        RETURN;
    END IF;
    FOREACH _schema IN ARRAY ARRAY['ganns', 'ganns_api', 'procrastinate'] LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO ganns_class', _schema);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO ganns_class', _schema);
        EXECUTE format('GRANT ALL ON ALL SEQUENCES IN SCHEMA %I TO ganns_class', _schema);
        EXECUTE format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %I TO ganns_class', _schema);
    END LOOP;
    IF NOT pg_has_role('ganns_class', 'ganns_viewer', 'MEMBER') THEN
        GRANT ganns_viewer TO ganns_class;
    END IF;
    EXECUTE format('ALTER ROLE ganns_class IN DATABASE %I SET search_path = procrastinate, public', current_database());
END
$$;
