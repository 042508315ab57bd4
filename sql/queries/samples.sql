-- Grids of samples: one for a version, a limited number for a run.

-- put_sample --
-- Store a version's grid, or replace it after a restart
INSERT INTO ganns.samples (run_id, version, picture) VALUES (%(run_id)s, %(version)s, %(picture)b)
ON CONFLICT (run_id, version) DO UPDATE SET picture = excluded.picture, at = now();

-- thin_samples --
-- If there are too many grids, delete the one whose neighbours are closest to each other; of several such grids, the
-- oldest. The first and the last grid do not have two neighbours, so they stay.
WITH gaps AS (
    SELECT version, lead(version) OVER (ORDER BY version) - lag(version) OVER (ORDER BY version) AS gap,
           count(*) OVER () AS num
    FROM ganns.samples WHERE run_id = %(run_id)s
)
DELETE FROM ganns.samples
WHERE run_id = %(run_id)s
  AND version = (SELECT version FROM gaps WHERE gap IS NOT NULL AND num > %(keep)s::integer ORDER BY gap, version LIMIT 1);

-- list_samples --
-- The versions that have a grid, in order
SELECT version, at, octet_length(picture) AS size_bytes FROM ganns.samples WHERE run_id = %(run_id)s ORDER BY version;

-- get_sample --
-- One grid
SELECT picture FROM ganns.samples WHERE run_id = %(run_id)s AND version = %(version)s;
