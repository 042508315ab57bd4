-- The version of a database's schema.

-- session_settings --
-- The settings that we rely on, whatever the server's or the login's defaults are: how times are written, and isolation
SELECT set_config('datestyle', 'ISO', false), set_config('intervalstyle', 'postgres', false),
       set_config('default_transaction_isolation', 'read committed', false);

-- lock_migrations --
-- Wait until no other program migrates, and lock, until the transaction ends
LOCK TABLE ganns.migrations IN SHARE ROW EXCLUSIVE MODE;

-- who_blocks --
-- The sessions for which another session waits
SELECT a.pid, coalesce(a.usename::text, '?') AS login, extract(epoch FROM now() - a.xact_start)::float8 AS open_s
FROM unnest(pg_blocking_pids(%(pid)s::integer)) AS b(pid) JOIN pg_stat_activity a ON a.pid = b.pid;

-- my_pid --
-- The number of the server process of this connection
SELECT pg_backend_pid() AS pid;

-- function_exists --
-- Whether there is a function of this qualified name and these arguments that this login may call, and the schema of the
-- tables that it reads. To a viewer, who may not use the function's schema, even its name would be an error.
SELECT CASE WHEN has_schema_privilege(to_regnamespace(split_part(%(signature)s, '.', 1)), 'USAGE')
            THEN has_function_privilege(to_regprocedure(%(signature)s), 'EXECUTE') AND to_regnamespace('ganns') IS NOT NULL
            ELSE false END IS TRUE AS found;

-- api_migrations --
-- The applied migrations, for a login that may not read the table
SELECT number, name, sha256 FROM ganns_api.migrations() ORDER BY number;

-- api_component --
-- The version of another project's schema, for a login that may not read the table
SELECT ganns_api.component(%(name)s) AS version;

-- table_exists --
-- Whether a table of this qualified name exists
SELECT to_regclass(%(name)s) IS NOT NULL AS found;

-- list_migrations --
-- The applied migrations, with the digests of their files
SELECT number, name, sha256 FROM ganns.migrations ORDER BY number;

-- record_migration --
-- Record a migration, in the transaction of the migration itself
INSERT INTO ganns.migrations (number, name, sha256) VALUES (%(number)s, %(name)s, %(sha256)s);

-- get_component --
-- The version of another project's schema
SELECT version FROM ganns.components WHERE name = %(name)s;

-- record_component --
-- Record a component's version, in the transaction that installs or updates it
INSERT INTO ganns.components (name, version) VALUES (%(name)s, %(version)s)
ON CONFLICT (name) DO UPDATE SET version = excluded.version, installed_at = now();

-- use_procrastinate --
-- Set the schema in which this transaction creates its objects
SELECT set_config('search_path', 'procrastinate', true);

-- use_search_path --
-- Set the same path that later connections get from the role's setting
SELECT set_config('search_path', 'procrastinate, public', false);

-- whoami --
-- The role and the database that have the setting
SELECT current_user::text AS role, current_database()::text AS database;

-- database_facts --
-- The server's version and the database's size, for `ganns db status`
SELECT current_setting('server_version') AS server, pg_database_size(current_database()) AS size_bytes,
       current_user::text AS role;

-- table_sizes --
-- Our tables by size, blobs and indexes included
SELECT c.relnamespace::regnamespace::text || '.' || c.relname AS name, pg_total_relation_size(c.oid) AS size_bytes
FROM pg_class c
WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text IN ('ganns', 'procrastinate')
ORDER BY size_bytes DESC, name;

-- role_exists --
-- One row if there is a role of this name
SELECT 1 AS found FROM pg_roles WHERE rolname = %(name)s;

-- database_exists --
-- A row if the server has a database of this name
SELECT 1 AS found FROM pg_database WHERE datname = %(name)s;

-- count_contents --
-- Count the rows that a reset would delete
SELECT (SELECT count(*) FROM ganns.runs) AS num_runs,
       (SELECT count(*) FROM ganns.runs WHERE lease_until > now()) AS num_coordinated,
       (SELECT count(*) FROM ganns.ledger WHERE accepted) AS num_units,
       (SELECT count(*) FROM procrastinate.procrastinate_jobs) AS num_jobs;
