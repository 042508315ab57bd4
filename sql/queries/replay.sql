-- Replays: what the versions of a run were made of, and by whom.

-- recorded_units --
-- The accepted units of some closed rounds, in order, each with its worker; a round that went back has none
SELECT r.round, r.class_size, r.unit_images, r.micro_batch, r.lr_g, r.lr_d, l.unit, l.epoch, l.start, l.images,
       coalesce(t.name, w.name, 'unknown') AS worker, coalesce(c.person, t.name, w.name, 'unknown') AS person, c.login
FROM ganns.rounds r
LEFT JOIN ganns.ledger l ON l.run_id = r.run_id AND l.round = r.round AND l.accepted AND NOT l.undone
LEFT JOIN ganns.workers w ON w.id = l.worker_id
LEFT JOIN ganns.task_workers t ON t.worker_id = l.worker_id
LEFT JOIN ganns.credited c ON c.worker_id = l.worker_id
WHERE r.run_id = %(run_id)s AND r.closed_at IS NOT NULL AND r.round >= %(first)s AND r.round < %(end)s
ORDER BY r.round, l.unit;

-- recorded_unit --
-- One unit's accepted line of the ledger, with its round's settings, its worker, and the worker's description of its machine
SELECT r.weights_version, r.class_size, r.unit_images, r.micro_batch, r.lr_g, r.lr_d, l.epoch, l.start, l.images,
       l.digest, l.sketch, coalesce(t.name, w.name, 'unknown') AS worker,
       coalesce(c.person, t.name, w.name, 'unknown') AS person, c.login, w.info
FROM ganns.ledger l JOIN ganns.rounds r ON r.run_id = l.run_id AND r.round = l.round
LEFT JOIN ganns.workers w ON w.id = l.worker_id
LEFT JOIN ganns.task_workers t ON t.worker_id = l.worker_id
LEFT JOIN ganns.credited c ON c.worker_id = l.worker_id
WHERE l.run_id = %(run_id)s AND l.round = %(round)s AND l.unit = %(unit)s AND l.accepted AND NOT l.undone;

-- recorded_machines --
-- The machines that computed the accepted units of some rounds, as they describe themselves
SELECT DISTINCT w.info FROM ganns.ledger l JOIN ganns.workers w ON w.id = l.worker_id
WHERE l.run_id = %(run_id)s AND l.round >= %(first)s AND l.round < %(end)s AND l.accepted AND NOT l.undone;

-- recorded_versions --
-- The digests of some versions: of the weights as workers fetched them, and of the whole state
SELECT version, digest, state_digest FROM ganns.versions
WHERE run_id = %(run_id)s AND version >= %(first)s AND version <= %(last)s AND NOT undone;

-- list_checkpoints --
-- The versions whose whole state is in the database
SELECT version, digest FROM ganns.whole_checkpoints WHERE run_id = %(run_id)s;

-- put_replay --
-- Store a replay for the dashboard, after the others of its run
INSERT INTO ganns.replays (run_id, number, round, change, sentences, rows, curves, faces)
SELECT %(run_id)s::bigint, coalesce(max(number), 0) + 1, %(round)s::integer, %(change)s::text, %(sentences)s::text[],
       %(rows)s::jsonb, %(curves)b::bytea, %(faces)b::bytea
FROM ganns.replays WHERE run_id = %(run_id)s
RETURNING number;

-- forget_replays --
-- Keep the newest replays of a run
DELETE FROM ganns.replays
WHERE run_id = %(run_id)s
  AND number <= (SELECT max(number) FROM ganns.replays WHERE run_id = %(run_id)s) - %(keep)s::integer;

-- list_replays --
-- The stored replays of a run, newest first, without their pictures
SELECT number, round, change, sentences, rows, curves IS NOT NULL AS has_curves, faces IS NOT NULL AS has_faces, at
FROM ganns.replays WHERE run_id = %(run_id)s ORDER BY number DESC;

-- get_replay_picture --
-- A replay's curves or faces
SELECT CASE %(which)s::text WHEN 'curves' THEN curves WHEN 'faces' THEN faces END AS picture
FROM ganns.replays WHERE run_id = %(run_id)s AND number = %(number)s;
