-- The GAN of the phones: its runs, rounds, units and credit.

-- may_keep_phones --
-- Whether this login may write the phones' tables
SELECT has_table_privilege('ganns.phone_units', 'INSERT') AND has_table_privilege('ganns.phone_units', 'UPDATE') AS may;

-- phones_now --
-- The run that is being trained, its newest version, and its open round with the number of units and of results; no row
-- without a run
SELECT p.id AS run, p.recipe, p.seed, p.wait_percent, r.round, r.quorum,
       (SELECT max(v.version) FROM ganns.phone_versions v WHERE v.run_id = p.id) AS version,
       extract(epoch FROM clock_timestamp() - r.opened_at)::float8 AS open_s,
       (SELECT count(*) FROM ganns.phone_units u WHERE u.run_id = r.run_id AND u.round = r.round) AS units,
       (SELECT count(u.digest) FROM ganns.phone_units u WHERE u.run_id = r.run_id AND u.round = r.round) AS results
FROM ganns.phone_runs p LEFT JOIN ganns.phone_rounds r ON r.run_id = p.id AND r.closed_at IS NULL
WHERE p.ended_at IS NULL ORDER BY p.id DESC LIMIT 1;

-- end_phone_runs --
-- End the runs that are open, and their rounds
WITH ended AS (
    UPDATE ganns.phone_runs SET ended_at = now() WHERE ended_at IS NULL
)
UPDATE ganns.phone_rounds SET closed_at = now() WHERE closed_at IS NULL;

-- insert_phone_run --
-- A new run
INSERT INTO ganns.phone_runs (recipe, seed, wait_percent) VALUES (%(recipe)s, %(seed)s, %(wait_percent)s) RETURNING id;

-- forget_phone_runs --
-- Delete all runs but the newest ones, with everything that belongs to them
DELETE FROM ganns.phone_runs WHERE id NOT IN (SELECT id FROM ganns.phone_runs ORDER BY id DESC LIMIT %(keep)s);

-- forget_phones --
-- Delete phones from before today to which no row refers
DELETE FROM ganns.phones p WHERE p.joined_at < now() - interval '1 day'
AND NOT EXISTS (SELECT FROM ganns.phone_ledger l WHERE l.phone_id = p.id)
AND NOT EXISTS (SELECT FROM ganns.phone_units u WHERE u.phone_id = p.id);

-- set_phone_wait --
-- From the next round on: the share of a round's units that closes it
UPDATE ganns.phone_runs SET wait_percent = %(wait_percent)s WHERE id = %(run_id)s;

-- insert_phone_version --
-- A version's whole state
INSERT INTO ganns.phone_versions (run_id, version, weights, moments, digest)
VALUES (%(run_id)s, %(version)s, %(weights)s, %(moments)s, %(digest)s);

-- get_phone_version --
-- The newest version of a run, with its state
SELECT version, weights, moments FROM ganns.phone_versions WHERE run_id = %(run_id)s ORDER BY version DESC LIMIT 1;

-- phone_weights --
-- The weights of a version
SELECT weights FROM ganns.phone_versions WHERE run_id = %(run_id)s AND version = %(version)s;

-- open_phone_round --
-- Open a round with its units, one for each seed
WITH opened AS (
    INSERT INTO ganns.phone_rounds (run_id, round, quorum) VALUES (%(run_id)s, %(round)s, %(quorum)s)
    RETURNING run_id, round
)
INSERT INTO ganns.phone_units (run_id, round, unit, seed)
SELECT o.run_id, o.round, s.number - 1, s.seed FROM opened o, unnest(%(seeds)s::bigint[]) WITH ORDINALITY AS s(seed, number);

-- find_phone --
-- The phone that keeps this secret, with its name of today
UPDATE ganns.phones SET name = %(name)s WHERE key_digest = %(key_digest)s RETURNING id;

-- insert_phone --
-- A new phone, unless there are too many
INSERT INTO ganns.phones (key_digest, name)
SELECT %(key_digest)s::bytea, %(name)s::text WHERE (SELECT count(*) FROM ganns.phones) < %(most)s::bigint RETURNING id;

-- claim_phone_unit --
-- Give a phone a unit of the open round: a free one, or one that another phone has held for too long
UPDATE ganns.phone_units u SET attempt = u.attempt + 1, phone_id = %(phone_id)s, claimed_at = now()
FROM (
    SELECT w.run_id, w.round, w.unit FROM ganns.phone_units w
    JOIN ganns.phone_rounds r ON r.run_id = w.run_id AND r.round = w.round AND r.closed_at IS NULL
    WHERE r.run_id = %(run_id)s AND w.digest IS NULL
      AND (w.phone_id IS NULL OR w.claimed_at < now() - make_interval(secs => %(hold_s)s::float8))
    ORDER BY w.phone_id IS NOT NULL, w.unit LIMIT 1
    FOR UPDATE OF w SKIP LOCKED
) free
WHERE u.run_id = free.run_id AND u.round = free.round AND u.unit = free.unit
RETURNING u.run_id, u.round, u.unit, u.attempt, u.seed;

-- release_phone_unit --
-- Take back the unit of a phone that left or sent nonsense, so that another one gets it
UPDATE ganns.phone_units SET phone_id = NULL
WHERE run_id = %(run_id)s AND round = %(round)s AND unit = %(unit)s AND attempt = %(attempt)s AND digest IS NULL;

-- share_phone_round --
-- Keep a round from being closed until this transaction ends; no row if it is closed, or was deleted
SELECT round FROM ganns.phone_rounds
WHERE run_id = %(run_id)s AND round = %(round)s AND closed_at IS NULL FOR SHARE;

-- store_phone_result --
-- Store the result of the attempt that holds the unit; no row if another attempt holds it now, or it has a result
UPDATE ganns.phone_units SET gradient = %(gradient)s, digest = %(digest)s, loss_d = %(loss_d)s, loss_g = %(loss_g)s
WHERE run_id = %(run_id)s AND round = %(round)s AND unit = %(unit)s AND attempt = %(attempt)s AND phone_id = %(phone_id)s
  AND digest IS NULL
RETURNING unit;

-- credit_late_phone --
-- Credit a late result once; none if its run was deleted
INSERT INTO ganns.phone_ledger (run_id, round, unit, attempt, phone_id, accepted, digest)
SELECT p.id, %(round)s::integer, %(unit)s::integer, %(attempt)s::integer, %(phone_id)s::bigint, false, %(digest)s::text
FROM ganns.phone_runs p WHERE p.id = %(run_id)s
ON CONFLICT DO NOTHING;

-- lock_phone_round --
-- Lock an open round for closing, and read its quorum; no row if it is closed
SELECT quorum FROM ganns.phone_rounds
WHERE run_id = %(run_id)s AND round = %(round)s AND closed_at IS NULL FOR UPDATE;

-- phone_results --
-- A round's results, by unit
SELECT unit, attempt, phone_id, gradient, loss_d, loss_g FROM ganns.phone_units
WHERE run_id = %(run_id)s AND round = %(round)s AND digest IS NOT NULL ORDER BY unit;

-- close_phone_round --
-- Close a round: credit its accepted units, and drop their gradients
WITH accepted AS (
    UPDATE ganns.phone_units SET gradient = NULL
    WHERE run_id = %(run_id)s AND round = %(round)s AND unit = ANY(%(units)s::integer[])
    RETURNING run_id, round, unit, attempt, phone_id, digest
), credited AS (
    INSERT INTO ganns.phone_ledger (run_id, round, unit, attempt, phone_id, accepted, digest)
    SELECT run_id, round, unit, attempt, phone_id, true, digest FROM accepted
)
UPDATE ganns.phone_rounds SET closed_at = now() WHERE run_id = %(run_id)s AND round = %(round)s;

-- thin_phone_units --
-- Delete the units of old rounds
DELETE FROM ganns.phone_units WHERE run_id = %(run_id)s AND round < %(before)s;

-- thin_phone_versions --
-- Delete old versions
DELETE FROM ganns.phone_versions WHERE run_id = %(run_id)s AND version < %(before)s;

-- phone_credit --
-- The numbers of accepted and of late results of each phone of a run
SELECT phone_id, count(*) FILTER (WHERE accepted) AS accepted, count(*) FILTER (WHERE NOT accepted) AS late
FROM ganns.phone_ledger WHERE run_id = %(run_id)s GROUP BY phone_id;
