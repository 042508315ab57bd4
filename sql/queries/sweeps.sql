-- Several runs that share workers: equal shares, points of sweeps, comparisons.

-- join_queue --
-- Set a starting run's used time to the maximum of the other active runs, so that it waits neither longer nor less than
-- they do; set the priority of its waiting jobs accordingly
WITH others AS (
    SELECT max(o.used_s) AS ahead FROM ganns.runs o
    WHERE o.id <> %(run_id)s AND o.state = 'open' AND o.lease_until > now()
), turn AS (
    UPDATE ganns.runs r SET used_s = coalesce(others.ahead, r.used_s) FROM others WHERE r.id = %(run_id)s
    RETURNING r.used_s, others.ahead IS NOT NULL AS shared
)
UPDATE procrastinate.procrastinate_jobs j
SET priority = CASE WHEN turn.shared THEN -least(turn.used_s * 10, 2e9)::integer ELSE 0 END
FROM ganns.units u, turn
WHERE u.run_id = %(run_id)s AND j.id = u.job_id AND j.status = 'todo';

-- take_turn --
-- Add the workers' time in the last closed round to a run's used time, and give its new jobs a lower priority than
-- those of runs that used less. If no other run is active, the priority stays. A run's used time is never more than
-- `lag_s` worker seconds behind the others.
WITH closed AS (
    SELECT coalesce(max(o.round), -1) AS round FROM ganns.rounds o WHERE o.run_id = %(run_id)s AND o.closed_at IS NOT NULL
), spent AS (
    SELECT coalesce(sum(greatest(extract(epoch FROM coalesce(s.submitted_at, clock_timestamp()) - u.claimed_at), 0)),
                    0)::float8 AS seconds
    FROM ganns.units u
    JOIN closed ON closed.round = u.round
    LEFT JOIN ganns.results s ON s.run_id = u.run_id AND s.round = u.round AND s.unit = u.unit
    WHERE u.run_id = %(run_id)s AND u.claimed_at IS NOT NULL
), others AS (
    SELECT max(o.used_s) AS ahead FROM ganns.runs o
    WHERE o.id <> %(run_id)s AND o.state = 'open' AND o.lease_until > now()
), turn AS (
    UPDATE ganns.runs r
    SET used_s = greatest(r.used_s + CASE WHEN r.charged_round = closed.round THEN 0 ELSE spent.seconds END,
                          others.ahead - %(lag_s)s::float8),
        charged_round = closed.round
    FROM closed, spent, others WHERE r.id = %(run_id)s
    RETURNING r.used_s, others.ahead IS NOT NULL AS shared
)
UPDATE procrastinate.procrastinate_jobs j SET priority = -least(turn.used_s * 10, 2e9)::integer
FROM turn WHERE turn.shared AND j.id = ANY(%(job_ids)s::bigint[]);

-- find_point --
-- The run that is a sweep's point, if it exists
SELECT id FROM ganns.runs WHERE point = %(point)s;

-- set_point --
-- Make a new run a sweep's point
UPDATE ganns.runs SET point = %(point)s WHERE id = %(run_id)s;

-- add_to_sweep --
-- Record that a run is one of a sweep's points
INSERT INTO ganns.sweep_points (sweep, run_id) VALUES (%(sweep)s, %(run_id)s) ON CONFLICT DO NOTHING;

-- list_sweep --
-- The runs of a sweep, by the beginning of its key
SELECT sweep, run_id FROM ganns.sweep_points WHERE starts_with(sweep, %(sweep)s) ORDER BY run_id;
