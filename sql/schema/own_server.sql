-- The embedded server is ours alone. At each start its superuser closes the other databases to all logins, and sees to the
-- roles that the program needs, since no command works as the superuser. What is as it should be is not written again.
DO $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT datname FROM pg_database
             WHERE datname IN ('postgres', 'template1')
               AND EXISTS (SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) a WHERE a.grantee = 0) LOOP
        EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', r.datname);
    END LOOP;

    -- The login of the coordinator, and of all commands on this machine
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ganns_owner') THEN
        CREATE ROLE ganns_owner LOGIN CREATEROLE;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ganns_student') THEN
        CREATE ROLE ganns_student NOLOGIN;
    END IF;
    -- It sees and ends all sessions but a superuser's, and has connections that students cannot use up.
    FOR r IN SELECT rolname FROM pg_roles
             WHERE rolname IN ('pg_read_all_stats', 'pg_signal_backend', 'pg_use_reserved_connections')
               AND NOT pg_has_role('ganns_owner', oid, 'MEMBER') LOOP
        EXECUTE format('GRANT %I TO ganns_owner', r.rolname);
    END LOOP;
    -- The roles that it gives to others, and the logins that it changes: also those that an older program's superuser made
    FOR r IN SELECT rolname FROM pg_roles
             WHERE (rolname IN ('ganns_student', 'ganns_viewer', 'ganns_class')
                    OR oid IN (SELECT member FROM pg_auth_members WHERE roleid = 'ganns_student'::regrole))
               AND rolname <> 'ganns_owner' AND NOT pg_has_role('ganns_owner', oid, 'MEMBER WITH ADMIN OPTION') LOOP
        EXECUTE format('GRANT %I TO ganns_owner WITH ADMIN OPTION', r.rolname);
    END LOOP;
    -- The class's common login: the lease of a run asks whether its holder's server process is still there, also one of
    -- another login; and VACUUM, from PostgreSQL 17 on.
    FOR r IN SELECT rolname FROM pg_roles
             WHERE rolname IN ('pg_read_all_stats', 'pg_maintain') AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'ganns_class')
               AND NOT pg_has_role('ganns_class', oid, 'MEMBER') LOOP
        EXECUTE format('GRANT %I TO ganns_class', r.rolname);
    END LOOP;
END
$$;
