-- What is open to students: `ganns db audit`.

-- list_open_doors --
-- Everything that a student's login could do in this database beside its work, by kind
WITH student AS (
    SELECT to_regrole('ganns_student')::oid AS oid WHERE to_regrole('ganns_student') IS NOT NULL
), member AS (
    -- Not those who may give the role to others: they are owners of databases
    SELECT r.* FROM student, pg_roles r
    WHERE EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = student.oid AND m.member = r.oid)
      AND NOT EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = student.oid AND m.member = r.oid AND m.admin_option)
      AND r.rolname <> current_user
), foreign_schema AS (
    SELECT n.oid, n.nspname FROM pg_namespace n
    WHERE n.nspname !~ '^pg_(toast|temp)' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
)
SELECT 'open function' AS kind, p.oid::regprocedure::text AS what FROM pg_proc p
JOIN foreign_schema n ON n.oid = p.pronamespace AND n.nspname IN ('ganns', 'ganns_api', 'procrastinate')
WHERE EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0)
   OR (n.nspname <> 'ganns_api' AND EXISTS (
           SELECT FROM student WHERE has_function_privilege(student.oid, p.oid, 'EXECUTE')))
UNION ALL
SELECT 'definer function', p.oid::regprocedure::text FROM student, pg_proc p
JOIN foreign_schema n ON n.oid = p.pronamespace AND n.nspname NOT IN ('ganns', 'ganns_api', 'procrastinate')
WHERE p.prosecdef AND has_function_privilege(student.oid, p.oid, 'EXECUTE')
  AND has_schema_privilege(student.oid, n.oid, 'USAGE')
UNION ALL
SELECT 'table', c.oid::regclass::text FROM student, pg_class c JOIN foreign_schema n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND has_schema_privilege(student.oid, n.oid, 'USAGE')
  AND has_table_privilege(student.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
UNION ALL
SELECT 'create', n.nspname::text FROM student, foreign_schema n WHERE has_schema_privilege(student.oid, n.oid, 'CREATE')
UNION ALL
SELECT 'create', 'schemas in ' || current_database() FROM student
WHERE has_database_privilege(student.oid, current_database(), 'CREATE')
UNION ALL
SELECT 'temporary', current_database()::text FROM student
WHERE has_database_privilege(student.oid, current_database(), 'TEMPORARY')
UNION ALL
SELECT 'connect', d.datname::text FROM student, pg_database d
WHERE d.datallowconn AND d.datname <> current_database() AND has_database_privilege(student.oid, d.oid, 'CONNECT')
UNION ALL
SELECT CASE WHEN p.proname ~ '^lo_' THEN 'large object' WHEN p.proname ~ '^pg_logical' THEN 'log message'
            ELSE 'advisory lock' END, p.oid::regprocedure::text
FROM student, pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND has_function_privilege(student.oid, p.oid, 'EXECUTE')
  AND (p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_put', 'pg_logical_emit_message')
       OR p.proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$')
UNION ALL
SELECT 'attribute', member.rolname::text FROM member
WHERE member.rolsuper OR member.rolcreaterole OR member.rolcreatedb OR member.rolreplication OR member.rolbypassrls
UNION ALL
SELECT 'no limit', member.rolname::text FROM member WHERE member.rolconnlimit < 0
UNION ALL
SELECT 'other role', member.rolname || ' in ' || m.roleid::regrole FROM member
JOIN pg_auth_members m ON m.member = member.oid JOIN student ON m.roleid <> student.oid
UNION ALL
SELECT 'unknown', member.rolname::text FROM member
WHERE member.rolcanlogin AND NOT EXISTS (SELECT FROM ganns.students s WHERE s.login = member.rolname)
UNION ALL
SELECT 'common login', r.rolname::text FROM pg_roles r WHERE r.rolname = 'ganns_class' AND r.rolcanlogin
UNION ALL
SELECT 'sessions', member.rolname::text FROM member
WHERE NOT pg_has_role(current_user, member.oid, 'USAGE')
  AND NOT (pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AND pg_has_role(current_user, 'pg_signal_backend', 'USAGE'))
UNION ALL
SELECT 'temporary files', count(*) || ' login(s)' FROM member
WHERE current_setting('temp_file_limit') = '-1'
  AND NOT EXISTS (SELECT FROM pg_db_role_setting s, unnest(s.setconfig) AS one
                  WHERE s.setrole = member.oid AND one ~ '^temp_file_limit=')
HAVING count(*) > 0
UNION ALL
SELECT 'weak passwords', current_setting('password_encryption') WHERE current_setting('password_encryption') <> 'scram-sha-256'
ORDER BY 1, 2;
