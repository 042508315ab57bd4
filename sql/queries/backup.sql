-- Backup and restore. The COPY statements are in ganns/db/backup.py, because a table's name cannot be a parameter.

-- count_rows_in_the_way --
-- Count the rows that would prevent a restore
SELECT (SELECT count(*) FROM ganns.runs) AS runs, (SELECT count(*) FROM ganns.ledger) AS ledger,
       (SELECT count(*) FROM ganns.workers) AS workers;

-- settle_restored --
-- Delete open rounds, because their jobs were not in the backup, and end leases. A new key separates the state files
-- from those of the original runs
WITH open AS (
    DELETE FROM ganns.rounds WHERE closed_at IS NULL
)
UPDATE ganns.runs SET key = gen_random_uuid(), lease_holder = NULL, lease_until = NULL, lease_pid = NULL,
                      lease_backend_start = NULL, used_s = 0, charged_round = -1;

-- continue_numbers --
-- Advance the sequences, so that no new run, worker or job gets a number that the restored rows use
SELECT setval(pg_get_serial_sequence('ganns.runs', 'id'), greatest(max(id), 1), max(id) IS NOT NULL) AS run,
       (SELECT setval(s.name, greatest(nextval(s.name), (SELECT max(id) FROM ganns.workers)))
        FROM (SELECT pg_get_serial_sequence('procrastinate.procrastinate_workers', 'id')::regclass AS name) s) AS worker,
       (SELECT setval(s.name, greatest(nextval(s.name), (SELECT max(job_id) FROM ganns.ledger)))
        FROM (SELECT pg_get_serial_sequence('procrastinate.procrastinate_jobs', 'id')::regclass AS name) s) AS job
FROM ganns.runs;
