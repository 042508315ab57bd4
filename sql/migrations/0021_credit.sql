-- Credit that can be checked: a unit's times by the server's clock, what its gradient did, and when workers were there.
-- And the number of the protocol that a worker speaks.

ALTER TABLE ganns.ledger
    ADD COLUMN claimed_at timestamptz,  -- NULL: late after its round (then `seconds` says it), or credited before this column
    ADD COLUMN submitted_at timestamptz,
    -- For the results that the round's step was made of: see ganns/training/influence.py
    ADD COLUMN cosine_d double precision,
    ADD COLUMN cosine_g double precision,
    ADD COLUMN share_d double precision,
    ADD COLUMN share_g double precision,
    ALTER COLUMN submitted_at SET DEFAULT clock_timestamp(),  -- not for the rows that are here already
    -- Of the row, not of its transaction: a certificate that has waited for the open transactions has all rows before it
    ALTER COLUMN at SET DEFAULT clock_timestamp();

-- The units of the ledger with the seconds that they are credited with. From the claim to the result, and for a late one
-- at most to the end of its round; at most ten times what the median accepted unit of the round took for an image, or a
-- worker could claim a unit, sleep, and be credited with the night. NULL: the server did not record it.
CREATE VIEW ganns.efforts AS
WITH timed AS (
    SELECT l.*, extract(epoch FROM
               least(l.submitted_at, CASE WHEN NOT l.accepted THEN r.closed_at END)
               - coalesce(l.claimed_at, CASE WHEN NOT l.accepted AND l.seconds BETWEEN 0 AND 1e9
                                             THEN l.submitted_at - make_interval(secs => l.seconds) END)
           )::float8 AS elapsed_s
    FROM ganns.ledger l JOIN ganns.rounds r ON r.run_id = l.run_id AND r.round = l.round
), usual AS (
    SELECT run_id, round, percentile_cont(0.5) WITHIN GROUP (ORDER BY elapsed_s / images) AS image_s
    FROM timed WHERE accepted AND NOT undone GROUP BY run_id, round
)
SELECT t.run_id, t.round, t.unit, t.job_id, t.attempt, t.worker_id, t.epoch, t.start, t.images, t.accepted, t.undone, t.at,
       t.claimed_at, t.submitted_at, t.cosine_d, t.cosine_g, t.share_d, t.share_g,
       CASE WHEN t.elapsed_s IS NOT NULL THEN least(greatest(t.elapsed_s, 0), 10 * u.image_s * t.images) END AS effort_s
FROM timed t LEFT JOIN usual u ON u.run_id = t.run_id AND u.round = t.round;

-- Whose a worker's credit is: a student's, by the login, on all devices. With one login for all, a worker's name is all that
-- there is, and `login` is NULL.
CREATE VIEW ganns.credited AS
SELECT w.id AS worker_id, coalesce(s.label, w.name) AS person, s.login::text AS login
FROM ganns.workers w LEFT JOIN ganns.students s ON s.login = w.login;

CREATE TABLE ganns.presence (  -- when a worker was there, from its first heartbeat to its last one
    worker_id bigint NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz,  -- NULL: it has not left; its last heartbeat is in procrastinate's row
    PRIMARY KEY (worker_id, since)
);

-- Heartbeats themselves write nothing here: only the first, the last, and those after a minute of silence.
CREATE FUNCTION ganns.note_presence() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE ganns.presence SET until = greatest(since, OLD.last_heartbeat) WHERE worker_id = OLD.id AND until IS NULL;
    END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.last_heartbeat > OLD.last_heartbeat) THEN
        INSERT INTO ganns.presence (worker_id, since) VALUES (NEW.id, clock_timestamp()) ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER came_or_left AFTER INSERT OR DELETE ON procrastinate.procrastinate_workers
    FOR EACH ROW EXECUTE FUNCTION ganns.note_presence();
CREATE TRIGGER was_silent AFTER UPDATE OF last_heartbeat ON procrastinate.procrastinate_workers FOR EACH ROW
    WHEN (NEW.last_heartbeat > OLD.last_heartbeat + interval '1 minute' OR NEW.last_heartbeat < OLD.last_heartbeat)
    EXECUTE FUNCTION ganns.note_presence();  -- an earlier time: its supervisor says that it has ended
INSERT INTO ganns.presence (worker_id, since)
SELECT p.id, coalesce(w.registered_at, p.last_heartbeat)
FROM procrastinate.procrastinate_workers p LEFT JOIN ganns.workers w ON w.id = p.id WHERE isfinite(p.last_heartbeat);

CREATE TABLE ganns.certificates (  -- what each certificate is about, so that its digest can be computed again
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    person text NOT NULL,
    login text,
    runs bigint[],  -- NULL: all
    since timestamptz,  -- NULL: from the beginning
    until timestamptz,  -- NULL: to the end
    num_lines bigint NOT NULL,
    images bigint NOT NULL,  -- accepted
    issued_at timestamptz NOT NULL  -- lines that were written later are not in it
);

-- The protocol ------------------------------------------------------------------------------------------------
-- Its number grows when workers call something new or in another way. A worker of the release before may go on: it sends
-- the number before, or none, which is 1. A migration that changes the protocol replaces this function, and
-- ganns/db/protocol.py has the program's own number.

CREATE FUNCTION ganns_api.protocol(_mine integer) RETURNS TABLE (accepted boolean, newest integer, sentence text)
    LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT _mine BETWEEN oldest AND speaks.newest, speaks.newest, CASE
        WHEN _mine < oldest THEN format(
            'This worker speaks protocol %s, and this database %s to %s: update the program with `git pull` (or '
            '`pip install --upgrade ganns`), and start the worker again.', _mine, oldest, speaks.newest)
        WHEN _mine > speaks.newest THEN format(
            'This worker speaks protocol %s, and this database %s to %s: the database''s owner types `ganns db migrate` '
            'with the newer program; until then, the worker waits.', _mine, oldest, speaks.newest)
        WHEN _mine < speaks.newest THEN format(
            'This worker speaks protocol %s, and this database %s: it takes units as before, but not after the '
            'next release; to update: `git pull` (or `pip install --upgrade ganns`).', _mine, speaks.newest)
    END
    FROM (VALUES (1, 2)) AS speaks(oldest, newest)
$$;

ALTER TABLE ganns.workers ADD COLUMN protocol integer NOT NULL DEFAULT 1;

CREATE FUNCTION ganns.require_protocol(_info jsonb) RETURNS integer
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
-- Return the protocol that a worker speaks, by its description of itself; raise if it is not spoken here (any more).
DECLARE
    _said jsonb := _info -> 'protocol';
    _mine integer := CASE WHEN _said IS NULL THEN 1
                          WHEN jsonb_typeof(_said) = 'number' AND _said::text ~ '^[0-9]{1,6}$' THEN _said::text::integer
                          ELSE 0 END;
    _answer record;
BEGIN
    SELECT * INTO _answer FROM ganns_api.protocol(_mine);
    IF NOT _answer.accepted THEN
        RAISE EXCEPTION USING ERRCODE = 'GN001', MESSAGE = _answer.sentence;
    END IF;
    RETURN _mine;
END
$$;

-- One more column for ganns_api.register, as the migrations before have left it. (Not a trigger of the table: it would
-- refuse a backup with workers of old protocols.)
DO $do$
DECLARE
    _text text := pg_get_functiondef('ganns_api.register(bigint, text, jsonb)'::regprocedure);
    _before text;
    _change text[];
BEGIN
    FOREACH _change SLICE 1 IN ARRAY ARRAY[
        ARRAY['INSERT INTO ganns.workers (id, ', 'INSERT INTO ganns.workers (id, protocol, '],
        ARRAY['VALUES (_worker_id, ', 'VALUES (_worker_id, ganns.require_protocol(_info), '],
        ARRAY['DO UPDATE SET ', 'DO UPDATE SET protocol = excluded.protocol, ']] LOOP
        _before := _text;
        _text := replace(_text, _change[1], _change[2]);
        IF _text = _before THEN
            RAISE EXCEPTION 'ganns_api.register has no line %', _change[1];
        END IF;
    END LOOP;
    EXECUTE _text;
END
$do$;
