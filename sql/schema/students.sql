-- What students' logins may do: call the functions of ganns_api that are listed here, and nothing else in our schemas.
-- Run after every migration; running it twice does no harm, and changes nothing that is as it should be.
--
-- PostgreSQL lets everyone (PUBLIC) call every new function. So all of them are closed first, those that this login creates
-- later included; a migration that adds a function for workers adds its name to the list (tests/db/test_grants.py).
DO $$
DECLARE
    _for_students text[] := ARRAY[
        'migrations', 'component', 'protocol',
        'procrastinate_register_worker_v1', 'procrastinate_unregister_worker_v1', 'procrastinate_prune_stalled_workers_v1',
        'procrastinate_finish_job_v1',
        'register', 'worker_view', 'hand_back',
        'task_register', 'task_prepares', 'task_to_prepare', 'task_prepare', 'task_beat', 'task_worker_ended', 'task_aborts',
        'task_fetch', 'task_finish', 'task_retry', 'task_refuse', 'task_blob',
        'run', 'requires', 'claim', 'weights', 'weights_range', 'weight_places', 'published', 'link_range', 'put_part',
        'part_received', 'submit', 'fail_unit',
        'evaluated_generator', 'feature_network'];
    f record;
BEGIN
    ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
    FOR f IN SELECT p.oid::regprocedure AS signature FROM pg_proc p
             WHERE p.pronamespace = ANY ('{ganns,ganns_api,procrastinate}'::regnamespace[])
               AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0) LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f.signature);
    END LOOP;

    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ganns_student') THEN
        BEGIN
            CREATE ROLE ganns_student NOLOGIN;
        EXCEPTION
            -- Roles belong to the whole server: another database's migration may have created it a moment before.
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN RETURN;  -- `ganns students add` says what is missing
        END;
    END IF;
    IF NOT has_schema_privilege('ganns_student', 'ganns_api', 'USAGE') THEN
        GRANT USAGE ON SCHEMA ganns_api TO ganns_student;
    END IF;
    FOR f IN SELECT p.oid::regprocedure AS signature, p.proname = ANY (_for_students) AS is_open FROM pg_proc p
             WHERE p.pronamespace = 'ganns_api'::regnamespace
               AND has_function_privilege('ganns_student', p.oid, 'EXECUTE') <> (p.proname = ANY (_for_students)) LOOP
        EXECUTE format(CASE WHEN f.is_open THEN 'GRANT EXECUTE ON FUNCTION %s TO ganns_student'
                            ELSE 'REVOKE EXECUTE ON FUNCTION %s FROM ganns_student' END, f.signature);
    END LOOP;
END
$$;
