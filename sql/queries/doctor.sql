-- The questions that `ganns doctor` asks a server. They change nothing.

-- server_clock --
-- The server's time, in seconds since 1970
SELECT extract(epoch FROM clock_timestamp())::float8 AS now;

-- worker_rights --
-- The rights that this login lacks to be a worker: our functions, and procrastinate's function (found by name, as a
-- worker finds it) and table
SELECT ARRAY(SELECT p.proname::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
             WHERE n.nspname = 'ganns_api' AND NOT has_function_privilege(p.oid, 'EXECUTE') ORDER BY 1) AS denied,
       coalesce(has_schema_privilege(to_regnamespace('ganns_api'), 'USAGE'), false) AS may_call,
       to_regproc('procrastinate_register_worker_v1') IS NOT NULL AS finds_queue,
       coalesce((SELECT p.prosecdef FROM pg_proc p WHERE p.oid = to_regproc('procrastinate_register_worker_v1')), false)
       OR coalesce(has_table_privilege(to_regclass('procrastinate_workers'), 'INSERT')
                   AND has_table_privilege(to_regclass('procrastinate_workers'), 'UPDATE'), false) AS may_register,
       current_user::text AS role;

-- link_up --
-- Take bytes, and say how many they were: the speed of the link to the server. Nothing is stored
SELECT octet_length(%(data)b::bytea) AS size;

-- link_down --
-- Send bytes: the speed of the link from the server
SELECT repeat('x', %(length)s::integer) AS data;
