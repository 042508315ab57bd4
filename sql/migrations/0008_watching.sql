-- For whoever watches: what happens, as it happens, on one channel. A hint to look, never the truth: it can be lost.

-- Seconds that the worker waited for the network: what says whose link is slow
ALTER TABLE ganns.ledger ADD COLUMN network_s real;
-- What a round sent through the database: results to the coordinator, weights to the workers
ALTER TABLE ganns.metrics ADD COLUMN bytes_up bigint, ADD COLUMN bytes_down bigint;

-- The trigger's argument is the event's name.
CREATE FUNCTION ganns.announce() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    seen jsonb;
BEGIN
    IF TG_TABLE_NAME = 'samples' THEN
        NEW.picture := '';  -- an AFTER trigger changes nothing by this; it saves writing a picture as text
    END IF;
    seen := to_jsonb(NEW);
    PERFORM pg_notify('ganns_events', jsonb_strip_nulls(jsonb_build_object(
        'event', TG_ARGV[0],
        'run', coalesce(seen -> 'run_id', CASE TG_TABLE_NAME WHEN 'runs' THEN seen -> 'id' END),
        'round', seen -> 'round',
        'version', CASE WHEN TG_TABLE_NAME <> 'runs' THEN seen -> 'version' END,
        'unit', seen -> 'unit',
        'worker', coalesce(seen -> 'claimed_by', seen -> 'worker_id', CASE TG_TABLE_NAME WHEN 'workers' THEN seen -> 'id' END)
    ))::text);
    RETURN NULL;
END
$$;

CREATE TRIGGER opened AFTER INSERT ON ganns.rounds FOR EACH ROW EXECUTE FUNCTION ganns.announce('opened');
CREATE TRIGGER closed AFTER UPDATE OF closed_at ON ganns.rounds FOR EACH ROW
    WHEN (OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL) EXECUTE FUNCTION ganns.announce('closed');
CREATE TRIGGER claimed AFTER UPDATE OF claimed_at ON ganns.units FOR EACH ROW
    WHEN (NEW.claimed_at IS NOT NULL AND OLD.claimed_at IS DISTINCT FROM NEW.claimed_at)
    EXECUTE FUNCTION ganns.announce('claimed');
CREATE TRIGGER requeued AFTER UPDATE OF attempt, claimed_at ON ganns.units FOR EACH ROW
    WHEN (OLD.claimed_at IS NOT NULL AND NEW.claimed_at IS NULL) EXECUTE FUNCTION ganns.announce('requeued');
CREATE TRIGGER refused AFTER UPDATE OF refused_from ON ganns.units FOR EACH ROW
    WHEN (OLD.refused_from IS DISTINCT FROM NEW.refused_from) EXECUTE FUNCTION ganns.announce('refused');
CREATE TRIGGER submitted AFTER INSERT ON ganns.results FOR EACH ROW EXECUTE FUNCTION ganns.announce('submitted');
CREATE TRIGGER late AFTER INSERT ON ganns.ledger FOR EACH ROW
    WHEN (NOT NEW.accepted) EXECUTE FUNCTION ganns.announce('late');
CREATE TRIGGER skipped AFTER INSERT ON ganns.skipped FOR EACH ROW EXECUTE FUNCTION ganns.announce('skipped');
CREATE TRIGGER drawn AFTER INSERT ON ganns.samples FOR EACH ROW EXECUTE FUNCTION ganns.announce('drawn');
CREATE TRIGGER evaluated AFTER INSERT ON ganns.evaluations FOR EACH ROW EXECUTE FUNCTION ganns.announce('evaluated');
CREATE TRIGGER joined AFTER INSERT ON ganns.workers FOR EACH ROW EXECUTE FUNCTION ganns.announce('joined');
CREATE TRIGGER created AFTER INSERT ON ganns.runs FOR EACH ROW EXECUTE FUNCTION ganns.announce('created');
CREATE TRIGGER changed AFTER UPDATE OF state ON ganns.runs FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION ganns.announce('changed');
