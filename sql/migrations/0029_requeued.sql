-- Whoever watches learns at once that a unit's job was queued again by the rescue or handed back by its worker; before,
-- only the next claim showed it.

CREATE FUNCTION ganns.announce_requeued() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_notify('ganns_events', jsonb_strip_nulls(jsonb_build_object(
        'event', 'requeued', 'run', u.run_id, 'round', u.round, 'unit', u.unit, 'worker', u.claimed_by))::text)
    FROM ganns.units u
    WHERE u.job_id = NEW.id AND u.claimed_at IS NOT NULL;
    RETURN NULL;
END
$$;

CREATE TRIGGER requeued AFTER UPDATE OF status ON procrastinate.procrastinate_jobs FOR EACH ROW
    WHEN (OLD.status = 'doing' AND NEW.status = 'todo') EXECUTE FUNCTION ganns.announce_requeued();
