-- `ganns db reset`: all runs, all results, all credit, all jobs.
-- The role ganns_viewer stays: it belongs to the server, and other databases may use it.
DROP SCHEMA IF EXISTS ganns_api, ganns, procrastinate CASCADE;
