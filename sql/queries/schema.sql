-- Which version of the schema a database has.

-- lock_migrations --
-- Wait for whoever else is migrating
SELECT pg_advisory_lock(%(key)s::bigint);

-- unlock_migrations --
-- Let the next one migrate
SELECT pg_advisory_unlock(%(key)s::bigint);

-- table_exists --
-- Is there a table of this qualified name
SELECT to_regclass(%(name)s) IS NOT NULL AS found;

-- list_migrations --
-- What was applied, and the digest of the file that was
SELECT number, name, sha256 FROM ganns.migrations ORDER BY number;

-- record_migration --
-- Written in the transaction of the migration itself
INSERT INTO ganns.migrations (number, name, sha256) VALUES (%(number)s, %(name)s, %(sha256)s);

-- get_component --
-- The version of a schema that is not ours
SELECT version FROM ganns.components WHERE name = %(name)s;

-- record_component --
-- Written in the transaction that installs it
INSERT INTO ganns.components (name, version) VALUES (%(name)s, %(version)s);

-- use_procrastinate --
-- Where this transaction creates its objects
SELECT set_config('search_path', 'procrastinate', true);

-- use_search_path --
-- The same path that later connections get from the role's setting
SELECT set_config('search_path', 'procrastinate, public', false);

-- whoami --
-- The role and database whose setting it is
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

-- database_exists --
-- A row if the server has a database of this name
SELECT 1 AS found FROM pg_database WHERE datname = %(name)s;

-- count_contents --
-- What a reset would lose
SELECT (SELECT count(*) FROM ganns.runs) AS num_runs,
       (SELECT count(*) FROM ganns.runs WHERE lease_until > now()) AS num_coordinated,
       (SELECT count(*) FROM ganns.ledger WHERE accepted) AS num_units,
       (SELECT count(*) FROM procrastinate.procrastinate_jobs) AS num_jobs;
