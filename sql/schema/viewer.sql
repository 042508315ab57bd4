-- The role of viewers (`ganns dashboard`, `ganns top`): it may read only data that the class may see, and write nothing.
-- Run after every migration; running it twice does no harm. To create a login for a dashboard on another machine:
--     CREATE ROLE dashboard LOGIN PASSWORD '...' IN ROLE ganns_viewer;
DO $$
DECLARE
    -- From PostgreSQL 16 on, a login that creates a role is a member of it, and may not switch to it without a grant.
    _may_switch text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ganns_viewer') THEN
        BEGIN
            CREATE ROLE ganns_viewer NOLOGIN;
        EXCEPTION
            -- Roles belong to the whole server: another database's migration may have created it a moment before.
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'this login may not create the role ganns_viewer; the dashboard reads as its own login';
                RETURN;
        END;
    END IF;
    IF NOT pg_has_role(current_user, 'ganns_viewer', _may_switch) THEN
        BEGIN
            EXECUTE format('GRANT ganns_viewer TO %I', current_user);
        EXCEPTION WHEN insufficient_privilege THEN NULL;  -- created by another login of this server
        END;
    END IF;
    -- Everything except the blobs that only training needs (weights, results, checkpoints) and the jobs' arguments.
    GRANT USAGE ON SCHEMA ganns, procrastinate TO ganns_viewer;
    GRANT SELECT ON ganns.runs, ganns.versions, ganns.rounds, ganns.units, ganns.results, ganns.skipped, ganns.ledger,
        ganns.metrics, ganns.evaluations, ganns.samples, ganns.replays, ganns.sweep_points, ganns.controls, ganns.workers,
        ganns.task_workers, ganns.migrations, ganns.components, procrastinate.procrastinate_workers TO ganns_viewer;
    -- Not the logins and labels of students
    GRANT SELECT (id, run_id, kind, worker, reason, at) ON ganns.incidents TO ganns_viewer;
END
$$;
