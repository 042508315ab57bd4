-- Deleting a run and all its data.

-- lock_run --
-- Lock a run's row, which keeps coordinators away until the transaction ends, and check whether one is at work
SELECT r.key, r.lease_holder,
       coalesce(r.lease_until > now(), false) AND EXISTS (
           SELECT FROM pg_stat_activity a WHERE a.pid = r.lease_pid
           AND (a.backend_start IS NULL OR a.backend_start = r.lease_backend_start)) AS coordinated
FROM ganns.runs r WHERE r.id = %(run_id)s FOR UPDATE OF r;

-- run_jobs --
-- All jobs of a run, waiting, running and finished, whatever their task
SELECT id FROM procrastinate.procrastinate_jobs WHERE args ->> 'run' = %(run_id)s::bigint::text ORDER BY id;

-- delete_run --
-- Delete a run; foreign keys delete the rows that refer to it, and rows of unlogged tables are deleted by name
WITH weights AS (
    DELETE FROM ganns.weights WHERE run_id = %(run_id)s
), places AS (
    DELETE FROM ganns.weight_places WHERE run_id = %(run_id)s
), links AS (
    DELETE FROM ganns.links WHERE run_id = %(run_id)s
), results AS (
    DELETE FROM ganns.results WHERE run_id = %(run_id)s
), parts AS (
    DELETE FROM ganns.result_parts WHERE run_id = %(run_id)s
), generators AS (
    DELETE FROM ganns.evaluated_generators WHERE run_id = %(run_id)s
)
DELETE FROM ganns.runs WHERE id = %(run_id)s;
