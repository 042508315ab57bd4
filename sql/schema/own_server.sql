-- The embedded server is ours alone, so its other databases are closed to all logins but its owner's. Run at each start.
DO $$
DECLARE
    d record;
BEGIN
    FOR d IN SELECT datname FROM pg_database
             WHERE datname IN ('postgres', 'template1')
               AND EXISTS (SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) a WHERE a.grantee = 0) LOOP
        EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', d.datname);
    END LOOP;
END
$$;
