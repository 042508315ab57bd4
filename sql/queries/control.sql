-- An instructor's requests for a run while it is trained: pause, stop, another quorum.

-- lock_wish --
-- Lock a run's row and return its state and the requested state; the coordinator's next transaction waits for ours
SELECT state, wanted, wanted_units, num_images, config, coalesce(lease_until > now(), false) AS coordinated
FROM ganns.runs WHERE id = %(run_id)s FOR UPDATE;

-- set_wanted --
-- Request pause or stop, or request to run again
UPDATE ganns.runs SET wanted = %(wanted)s WHERE id = %(run_id)s;

-- set_wanted_units --
-- Set another quorum from the next round on; NULL restores the configured one
UPDATE ganns.runs SET wanted_units = %(units)s WHERE id = %(run_id)s;

-- note_control --
-- Record a request and its author; part of a transaction that holds the run's row
INSERT INTO ganns.controls (run_id, number, what, units, asked_by)
SELECT %(run_id)s, coalesce(max(number), 0) + 1, %(what)s, %(units)s, %(asked_by)s
FROM ganns.controls WHERE run_id = %(run_id)s;

-- wake_coordinator --
-- Wake the run's coordinator, so that it checks at once
SELECT pg_notify('ganns_run_' || %(run_id)s::bigint, 'control');

-- list_controls --
-- The requests for a run and their authors, oldest first
SELECT number, what, units, asked_by, at FROM ganns.controls WHERE run_id = %(run_id)s ORDER BY number;

-- last_control --
-- The last of the requests of the given kinds, with its author
SELECT number, what, units, asked_by, at FROM ganns.controls
WHERE run_id = %(run_id)s AND what = ANY(%(what)s::text[]) ORDER BY number DESC LIMIT 1;

-- may_control --
-- Whether this login may control runs and drain workers
SELECT has_any_column_privilege('ganns.runs', 'UPDATE') AND has_table_privilege('ganns.controls', 'INSERT')
   AND has_any_column_privilege('ganns.task_workers', 'UPDATE') AS may;
