-- Deleting a run, with everything that is left of it.

-- lock_run --
-- Keep coordinators away from a run until the transaction ends, and say whether one is at work
SELECT r.key, r.lease_holder,
       coalesce(r.lease_until > now(), false) AND EXISTS (
           SELECT FROM pg_stat_activity a WHERE a.pid = r.lease_pid
           AND (a.backend_start IS NULL OR a.backend_start = r.lease_backend_start)) AS coordinated
FROM ganns.runs r WHERE r.id = %(run_id)s FOR UPDATE OF r;

-- run_jobs --
-- All jobs of a run, waiting, running and finished, whatever their task
SELECT id FROM procrastinate.procrastinate_jobs WHERE args ->> 'run' = %(run_id)s::bigint::text ORDER BY id;

-- delete_run --
-- Delete a run: what refers to its row goes with it, what is not logged is named
WITH weights AS (
    DELETE FROM ganns.weights WHERE run_id = %(run_id)s
), results AS (
    DELETE FROM ganns.results WHERE run_id = %(run_id)s
), parts AS (
    DELETE FROM ganns.result_parts WHERE run_id = %(run_id)s
), generators AS (
    DELETE FROM ganns.evaluated_generators WHERE run_id = %(run_id)s
)
DELETE FROM ganns.runs WHERE id = %(run_id)s;
