-- A student who takes units and computes nothing: what is not computed goes to others at once, and no trick gets more of it.

CREATE FUNCTION ganns.check_isolation() RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
-- Raise if this transaction counts rows in an old snapshot: what other sessions took meanwhile would be missing.
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'a worker''s transactions are READ COMMITTED, and this one is %',
            upper(current_setting('transaction_isolation')) USING ERRCODE = 'invalid_transaction_state';
    END IF;
END
$$;

CREATE FUNCTION ganns.check_held(_worker_id bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
-- Raise if this student's worker holds as many jobs as it may. The lock lets fetches beside each other wait for each other.
BEGIN
    PERFORM ganns.check_isolation();
    PERFORM 1 FROM ganns.task_workers w WHERE w.worker_id = _worker_id FOR NO KEY UPDATE;
    IF (SELECT count(*) FROM procrastinate.procrastinate_jobs j WHERE j.worker_id = _worker_id AND j.status = 'doing')
       >= (SELECT s.max_held FROM ganns.students s WHERE s.login = session_user) THEN
        RAISE EXCEPTION 'worker % holds as many jobs as it may', _worker_id USING ERRCODE = 'configuration_limit_exceeded';
    END IF;
END
$$;

CREATE FUNCTION ganns.is_wanted(_job_id bigint, _attempt integer) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- Whether an open round still needs the result of this attempt
    SELECT EXISTS (SELECT FROM ganns.units u JOIN ganns.rounds r ON r.run_id = u.run_id AND r.round = u.round
                   WHERE u.job_id = _job_id AND u.attempt <= _attempt AND r.closed_at IS NULL
                     AND NOT EXISTS (SELECT FROM ganns.results s
                                     WHERE s.run_id = u.run_id AND s.round = u.round AND s.unit = u.unit)
                     AND NOT EXISTS (SELECT FROM ganns.skipped s
                                     WHERE s.run_id = u.run_id AND s.round = u.round AND s.unit = u.unit))
$$;

-- More lines for the functions, as the migrations before have left them.
DO $do$
DECLARE
    e record;
    _before text;
BEGIN
    FOR e IN SELECT * FROM (VALUES
        ('ganns.check_place()', '    SELECT * INTO s FROM ganns.students', '    PERFORM ganns.check_isolation();
    SELECT * INTO s FROM ganns.students'),
        ('ganns_api.task_fetch(character varying[], bigint)', '    END LOOP;
', '    END LOOP;
    IF _is_student THEN
        PERFORM ganns.check_held(_worker_id);
    END IF;
'),
        -- While another student could take it, a job is not put off. Where there is none, one may come.
        ('ganns_api.task_retry(bigint, integer, double precision, timestamptz, boolean, text, integer, varchar, varchar)',
         '        _delay_s := least(greatest(_delay_s, 0), 300);
        IF _at > now() + interval ''5 minutes'' THEN
            _at := now() + interval ''5 minutes'';
        END IF;
', '        IF ganns.another_login(_job_id, session_user) THEN
            _delay_s := 0;
            _at := NULL;
        ELSE
            _delay_s := least(greatest(_delay_s, 0), 30);
            IF _at > now() + interval ''30 seconds'' THEN
                _at := now() + interval ''30 seconds'';
            END IF;
        END IF;
'),
        -- The result of a unit is in the parts. A unit that ends without one was not computed, whatever the end is called.
        ('ganns_api.task_finish(bigint, integer, text, boolean, text, jsonb, bytea, text, text, boolean, double precision)',
         '        IF _status = ''failed'' AND NOT', '        IF EXISTS (SELECT FROM ganns.units u WHERE u.job_id = _job_id) THEN
            _keep := false;
            _data := NULL;
            _value := CASE WHEN octet_length(_value::text) <= 1000 THEN _value END;
            IF _status <> ''failed'' AND ganns.is_wanted(_job_id, _attempt) THEN
                RETURN ganns_api.task_retry(_job_id, _attempt, 1, NULL, true, ''the unit was ended without a result'',
                                            NULL, NULL, NULL);
            END IF;
        END IF;
        IF _status = ''failed'' AND NOT'),
        -- Each piece may have 16 blocks, so one at each block would be sixteen times the part.
        ('ganns_api.put_part(bigint, integer, text, integer, integer, bytea, text)',
         '    INSERT INTO ganns.result_parts', '    DELETE FROM ganns.result_parts p
    WHERE p.job_id = _job_id AND p.attempt = _attempt AND p.role = _role AND p.chunk <> _chunk
      AND p.chunk BETWEEN _chunk - 15 AND _chunk + ganns.num_blocks(_data) - 1
      AND p.chunk + ganns.num_blocks(p.data) > _chunk;
    INSERT INTO ganns.result_parts')
    ) AS edits(function, line, instead) LOOP
        _before := pg_get_functiondef(e.function::regprocedure);
        IF strpos(_before, e.line) = 0 THEN
            RAISE EXCEPTION '% has no line %', e.function, e.line;
        END IF;
        EXECUTE replace(_before, e.line, e.instead);
    END LOOP;
END
$do$;
