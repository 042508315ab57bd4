-- A worker computes its next unit while the result before it is uploaded. A second that belongs to two units counts for one.

CREATE OR REPLACE VIEW ganns.efforts AS
WITH ordered AS (
    SELECT l.*, coalesce(l.claimed_at, CASE WHEN NOT l.accepted AND l.seconds BETWEEN 0 AND 1e9
                                            THEN l.submitted_at - make_interval(secs => l.seconds) END) AS begun_at,
           -- When the worker's result before this one was there: until then, the seconds are that unit's
           CASE WHEN l.worker_id IS NOT NULL
                THEN lag(l.submitted_at) OVER (PARTITION BY l.worker_id ORDER BY l.submitted_at, l.job_id, l.attempt)
           END AS before
    FROM ganns.ledger l
), timed AS (
    SELECT l.*, extract(epoch FROM least(l.submitted_at, CASE WHEN NOT l.accepted THEN r.closed_at END)
                                   - CASE WHEN l.begun_at IS NOT NULL THEN greatest(l.begun_at, l.before) END
           )::float8 AS elapsed_s
    FROM ordered l JOIN ganns.rounds r ON r.run_id = l.run_id AND r.round = l.round
), usual AS (
    SELECT run_id, round, percentile_cont(0.5) WITHIN GROUP (ORDER BY elapsed_s / images) AS image_s
    FROM timed WHERE accepted AND NOT undone GROUP BY run_id, round
)
SELECT t.run_id, t.round, t.unit, t.job_id, t.attempt, t.worker_id, t.epoch, t.start, t.images, t.accepted, t.undone, t.at,
       t.claimed_at, t.submitted_at, t.cosine_d, t.cosine_g, t.share_d, t.share_g,
       CASE WHEN t.elapsed_s IS NOT NULL THEN least(greatest(t.elapsed_s, 0), 10 * u.image_s * t.images) END AS effort_s
FROM timed t LEFT JOIN usual u ON u.run_id = t.run_id AND u.round = t.round;
