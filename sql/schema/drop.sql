-- `ganns db reset`: all runs, all results, all credit, all jobs.
DROP SCHEMA IF EXISTS ganns_api, ganns, procrastinate CASCADE;
