-- Who only looks (`ganns dashboard`, `ganns top`): a role that may read what the class may see, and write nothing.
-- Run after every migration; harmless twice. A login of its own for a dashboard on another machine:
--     CREATE ROLE dashboard LOGIN PASSWORD '...' IN ROLE ganns_viewer;
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ganns_viewer') THEN
        BEGIN
            CREATE ROLE ganns_viewer NOLOGIN;
        EXCEPTION
            -- Roles belong to the whole server: another database's migration may have been faster by an instant.
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'this login may not create the role ganns_viewer; the dashboard reads as its own login';
                RETURN;
        END;
    END IF;
    -- From PostgreSQL 16 on, whoever creates a role is not yet allowed to become it.
    IF NOT pg_has_role(current_user, 'ganns_viewer', 'MEMBER') THEN
        BEGIN
            EXECUTE format('GRANT ganns_viewer TO %I', current_user);
        EXCEPTION WHEN insufficient_privilege THEN NULL;  -- created by another login of this server
        END;
    END IF;
    -- Everything but the blobs that only trainers need (weights, results, checkpoints) and what jobs carry.
    GRANT USAGE ON SCHEMA ganns, procrastinate TO ganns_viewer;
    GRANT SELECT ON ganns.runs, ganns.versions, ganns.rounds, ganns.units, ganns.results, ganns.skipped, ganns.ledger,
        ganns.metrics, ganns.evaluations, ganns.samples, ganns.sweep_points, ganns.controls, ganns.workers,
        ganns.task_workers, ganns.migrations, ganns.components, procrastinate.procrastinate_workers TO ganns_viewer;
END
$$;
