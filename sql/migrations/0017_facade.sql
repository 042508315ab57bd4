-- What workers call, for students' logins too: the functions of ganns_api check whose worker speaks, and how much it sends.
-- sql/schema/students.sql says which of them students may call. A student's session has `ganns_api` as its search_path, so
-- that it finds procrastinate's functions here, where they check.

-- Before a worker has a number ------------------------------------------------------------------------------

CREATE FUNCTION ganns_api.migrations() RETURNS TABLE (number integer, name text, sha256 text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.number, m.name, m.sha256 FROM ganns.migrations m ORDER BY m.number
$$;

CREATE FUNCTION ganns_api.component(_name text) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.version FROM ganns.components c WHERE c.name = _name
$$;

-- procrastinate's names -------------------------------------------------------------------------------------

CREATE FUNCTION ganns_api.procrastinate_register_worker_v1() RETURNS TABLE (worker_id bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    _id bigint;
BEGIN
    IF ganns.is_student() THEN
        PERFORM ganns.check_place();
        -- A login that registers all day must not fill the tables: delete its workers that are gone and have no credit.
        IF (SELECT count(*) FROM ganns.task_workers w WHERE w.login = session_user) > 100 THEN
            DELETE FROM ganns.task_workers w WHERE w.login = session_user
              AND NOT EXISTS (SELECT FROM procrastinate.procrastinate_workers p WHERE p.id = w.worker_id);
            DELETE FROM ganns.workers w WHERE w.login = session_user
              AND NOT EXISTS (SELECT FROM procrastinate.procrastinate_workers p WHERE p.id = w.id)
              AND NOT EXISTS (SELECT FROM ganns.ledger l WHERE l.worker_id = w.id)
              AND NOT EXISTS (SELECT FROM ganns.results r WHERE r.worker_id = w.id);
        END IF;
    END IF;
    INSERT INTO procrastinate.procrastinate_workers DEFAULT VALUES RETURNING id INTO _id;
    INSERT INTO ganns.task_workers (worker_id, name, tasks) VALUES (_id, ganns.worker_name(''), '{}');
    RETURN QUERY SELECT _id;
END
$$;

CREATE FUNCTION ganns_api.procrastinate_unregister_worker_v1(worker_id bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    PERFORM ganns.check_worker(worker_id);
    DELETE FROM procrastinate.procrastinate_workers p WHERE p.id = worker_id;
END
$$;

CREATE FUNCTION ganns_api.procrastinate_prune_stalled_workers_v1(seconds_since_heartbeat double precision)
    RETURNS TABLE (worker_id bigint)
    LANGUAGE sql STABLE
AS $$
    SELECT NULL::bigint WHERE false  -- the rescue removes silent workers, and students may not remove others'
$$;

CREATE FUNCTION ganns_api.procrastinate_finish_job_v1(
    job_id bigint, end_status procrastinate.procrastinate_job_status, delete_job boolean
) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
-- For the end of a job that could not be recorded in any other way: without a value.
#variable_conflict use_variable
BEGIN
    PERFORM ganns_api.task_finish(j.id, j.attempts, end_status::text, false,
                                  CASE end_status WHEN 'succeeded' THEN 'SUCCESS' WHEN 'failed' THEN 'FAILURE' ELSE 'REVOKED' END,
                                  NULL, NULL, 'ResultRefused: its end could not be recorded', NULL, true, 86400)
    FROM procrastinate.procrastinate_jobs j WHERE j.id = job_id AND j.status = 'doing';
END
$$;

-- Workers ---------------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION ganns_api.register(_worker_id bigint, _name text, _info jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF ganns.check_worker(_worker_id) AND octet_length(_info::text) > 4096 THEN
        RAISE EXCEPTION 'the description of this machine is longer than 4 kB' USING ERRCODE = 'program_limit_exceeded';
    END IF;
    INSERT INTO ganns.workers (id, name, info) VALUES (_worker_id, ganns.worker_name(_name), _info)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, info = excluded.info;
END
$$;

CREATE FUNCTION ganns.set_rules(_tasks text[], _rules jsonb) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    -- What the code says of these tasks, in place of what it said before
    DELETE FROM ganns.task_rules r
    WHERE r.task_name = ANY (_tasks)
      AND NOT EXISTS (SELECT FROM jsonb_to_recordset(_rules) AS n(task_name text) WHERE n.task_name = r.task_name);
    INSERT INTO ganns.task_rules AS r (task_name, requires, memory_mb, time_limit_s, rate_per_s, burst, tokens)
    SELECT n.task_name, n.requires, n.memory_mb, n.time_limit_s, n.rate_per_s, n.burst, n.burst
    FROM jsonb_to_recordset(_rules) AS n(task_name text, requires text[], memory_mb integer, time_limit_s float8,
                                         rate_per_s float8, burst float8)
    ORDER BY n.task_name  -- two workers that register together lock the rows in the same order
    ON CONFLICT (task_name) DO UPDATE  -- the bucket stays as full as it is
    SET requires = excluded.requires, memory_mb = excluded.memory_mb, time_limit_s = excluded.time_limit_s,
        rate_per_s = excluded.rate_per_s, burst = excluded.burst, tokens = least(r.tokens, excluded.burst)
$$;

CREATE OR REPLACE FUNCTION ganns_api.task_register(
    _worker_id bigint, _name text, _abilities text[], _memory_mb integer, _tasks text[], _rules jsonb
) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF ganns.check_worker(_worker_id) THEN
        -- The rules of tasks are for the whole class: the owner's code writes them, and a student's are not looked at.
        UPDATE ganns.task_workers w
        SET name = ganns.worker_name(_name), memory_mb = _memory_mb,
            abilities = ARRAY(SELECT left(a, 50) FROM unnest(_abilities) AS a LIMIT 16),
            tasks = ARRAY(SELECT t FROM unnest(s.tasks) AS t WHERE t = ANY (_tasks))
        FROM ganns.students s WHERE w.worker_id = _worker_id AND s.login = w.login;
        RETURN;
    END IF;
    INSERT INTO ganns.task_workers (worker_id, name, abilities, memory_mb, tasks)
    VALUES (_worker_id, left(_name, 100), _abilities, _memory_mb, _tasks)
    ON CONFLICT (worker_id) DO UPDATE
    SET name = excluded.name, abilities = excluded.abilities, memory_mb = excluded.memory_mb, tasks = excluded.tasks;
    PERFORM ganns.set_rules(_tasks, _rules);
END
$$;

CREATE OR REPLACE FUNCTION ganns_api.task_prepares(_worker_id bigint, _prepares jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF ganns.check_worker(_worker_id) AND octet_length(_prepares::text) > 4096 THEN
        RAISE EXCEPTION 'the list of preparations is longer than 4 kB' USING ERRCODE = 'program_limit_exceeded';
    END IF;
    UPDATE ganns.task_workers SET prepares = _prepares WHERE worker_id = _worker_id;
END
$$;

CREATE OR REPLACE FUNCTION ganns_api.task_to_prepare(_worker_id bigint, _queues varchar[])
    RETURNS TABLE (task_name text, args jsonb)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM ganns.check_worker(_worker_id);
    -- The oldest waiting job that this worker could take if it had prepared for it
    RETURN QUERY SELECT j.task_name::text, jsonb_build_object(p.argument, j.args -> p.argument)
    FROM ganns.task_workers w
    CROSS JOIN LATERAL jsonb_each_text(w.prepares) AS p(task_name, argument)
    JOIN procrastinate.procrastinate_jobs j ON j.task_name = p.task_name AND j.status = 'todo' AND j.task_name = ANY (w.tasks)
    WHERE w.worker_id = _worker_id AND NOT w.draining
      AND (_queues IS NULL OR j.queue_name = ANY (_queues))
      AND NOT EXISTS (SELECT FROM ganns.task_prepared r
                      WHERE r.worker_id = _worker_id AND r.task_name = j.task_name AND j.args @> r.args)
      AND NOT EXISTS (SELECT FROM ganns.task_refusals x
                      WHERE x.worker_id = _worker_id AND x.task_name = j.task_name AND j.args @> x.args)
    ORDER BY j.id LIMIT 1;
END
$$;

CREATE OR REPLACE FUNCTION ganns_api.task_prepare(_worker_id bigint, _task_name text, _args jsonb, _text text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF ganns.check_worker(_worker_id) AND (
        octet_length(_task_name) > 100 OR octet_length(_args::text) > 1000
        OR (SELECT count(*) FROM ganns.task_prepared r WHERE r.worker_id = _worker_id) >= 100) THEN
        RAISE EXCEPTION 'worker % prepares for too much', _worker_id USING ERRCODE = 'program_limit_exceeded';
    END IF;
    -- Without a text it is ready
    UPDATE ganns.task_workers SET preparing = left(_text, 300) WHERE worker_id = _worker_id;
    INSERT INTO ganns.task_prepared (worker_id, task_name, args)
    SELECT w.worker_id, _task_name, _args FROM ganns.task_workers w WHERE w.worker_id = _worker_id AND _text IS NULL
    ON CONFLICT DO NOTHING;
END
$$;

CREATE OR REPLACE FUNCTION ganns_api.task_beat(_worker_id bigint, _held bigint[] DEFAULT NULL) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
-- Record a heartbeat. `_held`: the jobs that the worker knows; others, started 15 s ago or earlier, are queued again.
-- Return true if no process holds the lease of the rescue, and this login may do it.
DECLARE
    _young bigint[];
    _is_student boolean := ganns.check_worker(_worker_id);
BEGIN
    IF _is_student
       AND NOT EXISTS (SELECT FROM procrastinate.procrastinate_workers p
                       WHERE p.id = _worker_id AND p.last_heartbeat > now() - interval '30 seconds') THEN
        PERFORM ganns.check_place();  -- silent ones do not count, so one that returns needs a place
    END IF;
    -- Also for a worker that was pruned while its lid was closed: its jobs refer to the row.
    INSERT INTO procrastinate.procrastinate_workers (id, last_heartbeat) OVERRIDING SYSTEM VALUE
    VALUES (_worker_id, now()) ON CONFLICT (id) DO UPDATE SET last_heartbeat = now();
    IF _held IS NOT NULL AND EXISTS (SELECT FROM procrastinate.procrastinate_jobs j
                                     WHERE j.worker_id = _worker_id AND j.status = 'doing' AND j.id <> ALL (_held)) THEN
        -- The answer to its fetch was lost, or its end could not be recorded: no other process would ever end it.
        -- The answer to a younger fetch may still be on its way.
        SELECT coalesce(array_agg(j.id), '{}') INTO _young FROM procrastinate.procrastinate_jobs j
        WHERE j.worker_id = _worker_id AND j.status = 'doing'
          AND (SELECT max(e.at) FROM procrastinate.procrastinate_events e WHERE e.job_id = j.id AND e.type = 'started')
              > now() - interval '15 seconds';
        PERFORM ganns_api.hand_back(_worker_id, _held || _young);
    END IF;
    RETURN NOT _is_student
       AND NOT EXISTS (SELECT FROM ganns.task_leases l WHERE l.name = 'rescue' AND l.until > clock_timestamp());
END
$$;

CREATE OR REPLACE FUNCTION ganns_api.hand_back(_worker_id bigint, _keep bigint[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
-- Everything that a worker holds but for `_keep`: when it leaves, and when it found out that the answer to a fetch was
-- lost on the way (the job is then `doing`, by a worker that lives and knows nothing of it).
DECLARE
    j record;
    _num integer := 0;
BEGIN
    PERFORM ganns.check_worker(_worker_id);
    FOR j IN SELECT id, attempts FROM procrastinate.procrastinate_jobs
             WHERE worker_id = _worker_id AND status = 'doing' AND id <> ALL (_keep) LOOP
        -- Whoever computes on in the meantime cannot submit any more.
        UPDATE ganns.units SET attempt = j.attempts + 1 WHERE job_id = j.id AND attempt <= j.attempts;
        IF ganns_api.task_retry(j.id, j.attempts, 0, NULL, false, NULL, NULL, NULL, NULL) THEN
            _num := _num + 1;
        END IF;
    END LOOP;
    RETURN _num;
END
$$;

CREATE OR REPLACE FUNCTION ganns_api.task_aborts(_worker_id bigint) RETURNS TABLE (id bigint, terminate boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM ganns.check_worker(_worker_id);
    RETURN QUERY SELECT j.id, coalesce(c.terminate, false) FROM procrastinate.procrastinate_jobs j
    LEFT JOIN ganns.task_calls c ON c.job_id = j.id
    WHERE j.worker_id = _worker_id AND j.status = 'doing' AND j.abort_requested;
END
$$;

CREATE OR REPLACE FUNCTION ganns_api.worker_view(_name text)
    RETURNS TABLE (num_open integer, requires text, units bigint, images bigint, late bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    -- What a worker shows: is there a run, which program does it need, and the credit so far of all processes that had
    -- this name and login
    SELECT (SELECT count(*)::integer FROM ganns.runs WHERE state = 'open'),
           coalesce((SELECT r.requires FROM ganns.runs r WHERE r.state = 'open' AND r.requires <> ''
                     ORDER BY string_to_array(r.requires, '.')::integer[] DESC LIMIT 1), ''),
           count(*) FILTER (WHERE l.accepted),
           coalesce(sum(l.images) FILTER (WHERE l.accepted), 0)::bigint,
           count(*) FILTER (WHERE NOT l.accepted)
    FROM ganns.ledger l JOIN ganns.workers w ON w.id = l.worker_id
    WHERE w.name = ganns.worker_name(_name) AND w.login = session_user AND NOT l.undone
$$;

-- Jobs ------------------------------------------------------------------------------------------------------

-- A few more lines for ganns_api.task_fetch, as the migrations before have left it. The condition for students is outside of
-- the query, which PostgreSQL would else plan anew for each call: without it, the plan for an owner looks cheaper.
DO $do$
DECLARE
    _text text := pg_get_functiondef('ganns_api.task_fetch(character varying[], bigint)'::regprocedure);
    _before text;
    _change text[];
BEGIN
    FOREACH _change SLICE 1 IN ARRAY ARRAY[
        ARRAY['_retries integer := 0;', '_retries integer := 0;
    _is_student boolean := ganns.check_worker(_worker_id);
    _left bigint[] := ''{}'';  -- jobs that a student leaves to others'],
        ARRAY['IF me.draining THEN', 'IF me.draining OR (_is_student AND (
        SELECT count(*) FROM procrastinate.procrastinate_jobs held WHERE held.worker_id = _worker_id AND held.status = ''doing'')
        >= (SELECT s.max_held FROM ganns.students s WHERE s.login = session_user)) THEN'],
        ARRAY['          AND (jobs.lock IS NULL', '          AND jobs.id <> ALL (_left)
          AND (jobs.lock IS NULL'],
        ARRAY['        SELECT * INTO c FROM ganns.task_calls call WHERE call.job_id = j.id;', '        -- A student whose attempt failed leaves the job to others, while there are any.
        IF _is_student AND j.attempts > 0
           AND EXISTS (SELECT FROM ganns.task_attempts a WHERE a.job_id = j.id AND a.login = session_user)
           AND ganns.another_login(j.id, session_user) THEN
            _left := _left || j.id;
            CONTINUE;
        END IF;
        SELECT * INTO c FROM ganns.task_calls call WHERE call.job_id = j.id;']
    ] LOOP
        _before := _text;
        _text := replace(_before, _change[1], _change[2]);
        IF _text = _before THEN
            RAISE EXCEPTION 'ganns_api.task_fetch has no line %', _change[1];
        END IF;
    END LOOP;
    EXECUTE _text;
END
$do$;

CREATE OR REPLACE FUNCTION ganns_api.task_finish(
    _job_id bigint, _attempt integer, _status text, _delete boolean, _state text, _value jsonb, _data bytea,
    _error text, _traceback text, _keep boolean, _keep_s double precision
) RETURNS boolean  -- false: this attempt no longer holds the job (it was rescued, or finished before)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
DECLARE
    _task_name text;
BEGIN
    IF ganns.is_student() THEN
        IF NOT ganns.holds(_job_id, _attempt) THEN
            RETURN false;
        END IF;
        IF octet_length(_data) > 16 * 1024 * 1024 OR octet_length(_value::text) > 64 * 1024 THEN
            RAISE EXCEPTION 'a result of more than 16 MB, or more than 64 kB of JSON'
                USING ERRCODE = 'program_limit_exceeded';
        END IF;
        _delete := false;
        _state := CASE WHEN _state IS NULL THEN NULL WHEN _status = 'succeeded' THEN 'SUCCESS'
                       WHEN _status = 'failed' THEN 'FAILURE' ELSE 'REVOKED' END;
        _error := left(_error, 1000);
        _traceback := right(_traceback, 20000);
        _keep_s := least(greatest(_keep_s, 0), 7 * 86400);
        IF _status = 'failed' AND NOT ganns.may_fail(_job_id, session_user, 3) THEN  -- one student condemns no job
            RETURN ganns_api.task_retry(_job_id, _attempt, 0, NULL, true, coalesce(_traceback, _error), NULL, NULL, NULL);
        END IF;
    END IF;
    SELECT j.task_name INTO _task_name FROM procrastinate.procrastinate_jobs j
    WHERE j.id = _job_id AND j.status = 'doing' AND j.attempts = _attempt FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM procrastinate.procrastinate_finish_job_v1(_job_id, _status::procrastinate.procrastinate_job_status, _delete);
    PERFORM ganns.task_complete(_job_id, _attempt, _task_name, _state, _value, _data, _error, _traceback, _keep, _keep_s);
    RETURN true;
END
$$;

CREATE OR REPLACE FUNCTION ganns_api.task_retry(
    _job_id bigint, _attempt integer, _delay_s double precision, _at timestamptz, _counts boolean, _traceback text,
    _priority integer, _queue_name varchar, _lock varchar
) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
DECLARE
    j procrastinate.procrastinate_jobs;
BEGIN
    IF ganns.is_student() THEN
        IF NOT ganns.holds(_job_id, _attempt) THEN
            RETURN false;
        END IF;
        _delay_s := least(greatest(_delay_s, 0), 300);
        IF _at > now() + interval '5 minutes' THEN
            _at := now() + interval '5 minutes';
        END IF;
        _traceback := right(_traceback, 20000);
        _priority := NULL;
        _queue_name := NULL;
        _lock := NULL;
    END IF;
    SELECT * INTO j FROM procrastinate.procrastinate_jobs
    WHERE id = _job_id AND status = 'doing' AND attempts = _attempt FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF j.abort_requested THEN  -- revoked meanwhile: it must not run again
        PERFORM procrastinate.procrastinate_finish_job_v1(_job_id, 'aborted', false);
        PERFORM ganns.task_complete(_job_id, _attempt, j.task_name, 'REVOKED', NULL, NULL,
                                    'TaskRevoked: revoked while it waited for a retry', _traceback, true, 86400);
        RETURN true;
    END IF;
    IF _counts THEN
        INSERT INTO ganns.task_attempts (job_id, attempt, kind, worker_id, login, traceback)
        VALUES (_job_id, _attempt, 'retry', j.worker_id,
                (SELECT w.login FROM ganns.task_workers w WHERE w.worker_id = j.worker_id), _traceback)
        ON CONFLICT DO NOTHING;
    END IF;
    PERFORM procrastinate.procrastinate_retry_job_v2(
        _job_id, coalesce(_at, clock_timestamp() + make_interval(secs => nullif(_delay_s, 0))), _priority, _queue_name, _lock);
    -- Also before a short delay ends: then a worker that waits sets its clock. The questions of waiting workers, every
    -- 2 s, find the others.
    IF coalesce(_delay_s, 0) <= 3 AND (_at IS NULL OR _at <= now() + interval '3 seconds') THEN
        PERFORM ganns.task_wake(_job_id, coalesce(_queue_name, j.queue_name));
    END IF;
    RETURN true;
END
$$;

CREATE OR REPLACE FUNCTION ganns_api.task_refuse(_job_id bigint, _worker_id bigint, _args jsonb, _reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM ganns.check_worker(_worker_id);
    INSERT INTO ganns.task_refusals (worker_id, task_name, args, reason)
    SELECT w.worker_id, j.task_name, _args, left(_reason, 2000)
    FROM procrastinate.procrastinate_jobs j JOIN ganns.task_workers w ON w.worker_id = j.worker_id
    WHERE j.id = _job_id AND j.worker_id = _worker_id AND j.status = 'doing' AND j.args @> _args
    ON CONFLICT (worker_id, task_name, args) DO UPDATE SET reason = excluded.reason, at = excluded.at;
END
$$;

CREATE OR REPLACE FUNCTION ganns_api.task_blob(_job_id bigint) RETURNS bytea
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
    -- A student gets the bytes that a job of theirs refers to, as the result of the one before it
    SELECT r.data FROM ganns.task_results r
    WHERE r.job_id = _job_id
      AND (NOT ganns.is_student() OR EXISTS (
          SELECT FROM ganns.task_workers w JOIN procrastinate.procrastinate_jobs j ON j.worker_id = w.worker_id
          WHERE w.login = session_user AND ganns.holds(j.id, j.attempts)
            AND jsonb_path_exists(j.args, '$.**."$result" ? (@ == $id)', jsonb_build_object('id', _job_id))))
$$;

-- The deaths of one student's workers are no proof against a job, nor is a time that they let pass.
DO $do$
DECLARE
    _text text := pg_get_functiondef('ganns.task_rescue(double precision, integer, bigint)'::regprocedure);
    _before text;
    _change text[];
BEGIN
    FOREACH _change SLICE 1 IN ARRAY ARRAY[
        ARRAY['INSERT INTO ganns.task_attempts (job_id, attempt, kind, worker_id) VALUES (j.id, j.attempts, ''died'', j.worker_id)',
              'SELECT w.login INTO _login FROM ganns.task_workers w WHERE w.worker_id = j.worker_id;
        -- Before this attempt is one of those that are counted
        _is_doubtful := EXISTS (SELECT FROM ganns.students s WHERE s.login = _login)
                        AND NOT ganns.may_fail(j.id, _login, _max_deaths);
        INSERT INTO ganns.task_attempts (job_id, attempt, kind, worker_id, login)
        VALUES (j.id, j.attempts, ''died'', j.worker_id, _login)'],
        ARRAY['ELSIF _limit_s IS NOT NULL OR _num_deaths >= _max_deaths THEN',
              'ELSIF (_limit_s IS NOT NULL OR _num_deaths >= _max_deaths) AND NOT _is_doubtful THEN'],
        ARRAY['    _limit_s double precision;', '    _limit_s double precision;
    _login name;
    _is_doubtful boolean;']
    ] LOOP
        _before := _text;
        _text := replace(_before, _change[1], _change[2]);
        IF _text = _before THEN
            RAISE EXCEPTION 'ganns.task_rescue has no line %', _change[1];
        END IF;
    END LOOP;
    EXECUTE _text;
END
$do$;

CREATE OR REPLACE FUNCTION ganns_api.task_worker_ended(_worker_id bigint, _max_deaths integer)
    RETURNS TABLE (job_id bigint, attempt integer, fate text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
-- A supervisor says that its worker's process has ended: what the rescue does after 15 s of silence happens at once.
BEGIN
    IF ganns.check_worker(_worker_id) THEN
        _max_deaths := 3;
    END IF;
    UPDATE procrastinate.procrastinate_workers w SET last_heartbeat = now() - interval '1 minute' WHERE w.id = _worker_id;
    RETURN QUERY SELECT r.job_id, r.attempt, r.fate FROM ganns.task_rescue(0, _max_deaths, _worker_id) r;
END
$$;

-- Units -----------------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION ganns_api.claim(_job_id bigint, _attempt integer, _worker_id bigint)
    RETURNS TABLE (run_id bigint, round integer, unit integer, epoch integer, start integer, count integer,
                   weights_version integer, class_size integer, unit_images integer, micro_batch integer,
                   lr_g double precision, lr_d double precision)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF ganns.check_worker(_worker_id)
       AND NOT EXISTS (SELECT FROM procrastinate.procrastinate_jobs j
                       WHERE j.id = _job_id AND j.status = 'doing' AND j.attempts = _attempt AND j.worker_id = _worker_id) THEN
        RETURN;  -- not fetched by this worker, or rescued since
    END IF;
    -- No row means: closed, done, deferred again under another job, or rescued and given to a later attempt.
    RETURN QUERY
    UPDATE ganns.units u SET attempt = _attempt, claimed_at = now(), claimed_by = _worker_id
    FROM ganns.rounds r
    WHERE u.job_id = _job_id AND u.attempt <= _attempt
      AND r.run_id = u.run_id AND r.round = u.round AND r.closed_at IS NULL
      AND NOT EXISTS (SELECT FROM ganns.results s
                      WHERE s.run_id = u.run_id AND s.round = u.round AND s.unit = u.unit)
      AND coalesce(cardinality(array_positions(u.refused_from, _worker_id)), 0) < 3
    RETURNING u.run_id, u.round, u.unit, u.epoch, u.start, u.count, r.weights_version,
              r.class_size, r.unit_images, r.micro_batch, r.lr_g, r.lr_d;
    IF FOUND AND _attempt > 0 THEN  -- the parts of an earlier attempt are never read
        DELETE FROM ganns.result_parts p WHERE p.job_id = _job_id AND p.attempt < _attempt;
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION ganns_api.put_part(
    _job_id bigint, _attempt integer, _role text, _chunk integer, _num_chunks integer, _data bytea, _digest text
) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
-- One chunk of a part; a part's chunks come in one transaction, so all of them are there or none.
DECLARE
    u ganns.units;
    _max_chunks integer;
BEGIN
    SELECT unit.* INTO u
    FROM ganns.units unit JOIN ganns.rounds r ON r.run_id = unit.run_id AND r.round = unit.round
    WHERE unit.job_id = _job_id AND unit.attempt = _attempt AND r.closed_at IS NULL
      -- What was submitted stays as it is.
      AND NOT EXISTS (SELECT FROM ganns.results s WHERE s.run_id = unit.run_id AND s.round = unit.round AND s.unit = unit.unit);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM ganns.check_worker(u.claimed_by);
    -- A part has the numbers of one network; twice the bytes of both leaves room for weights that are sent as 16 bits.
    SELECT coalesce(max(2 * v.size_bytes / (1024 * 1024) + 2), 1024) INTO _max_chunks
    FROM ganns.versions v JOIN ganns.rounds r ON r.run_id = v.run_id AND r.weights_version = v.version
    WHERE r.run_id = u.run_id AND r.round = u.round;
    IF _role NOT IN ('d', 'g') OR _num_chunks > _max_chunks THEN
        RAISE EXCEPTION 'part % of % MB: a unit of run % has the parts d and g, of at most % MB', left(_role, 20), _num_chunks,
            u.run_id, _max_chunks USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO ganns.result_parts (job_id, attempt, role, chunk, num_chunks, run_id, round, data, digest)
    VALUES (_job_id, _attempt, _role, _chunk, _num_chunks, u.run_id, u.round, _data, _digest)
    ON CONFLICT (job_id, attempt, role, chunk) DO UPDATE
    SET num_chunks = excluded.num_chunks, data = excluded.data, digest = excluded.digest;
    -- The coordinator can fetch it while we compute on. A part of one chunk is not worth waking it up: it comes soon
    -- enough with the result.
    IF _chunk = _num_chunks - 1 AND _chunk > 0 THEN
        PERFORM pg_notify('ganns_run_' || u.run_id, _role);
    END IF;
    RETURN true;
END
$$;

-- One more check for ganns_api.submit, as the migrations before have left it.
DO $do$
DECLARE
    _before text := pg_get_functiondef((SELECT p.oid FROM pg_proc p
        WHERE p.pronamespace = 'ganns_api'::regnamespace AND p.proname = 'submit'));
    _line text := '    SELECT * INTO u FROM ganns.units WHERE job_id = _job_id;
    IF NOT FOUND THEN';
    _after text := replace(_before, _line, '    SELECT * INTO u FROM ganns.units WHERE job_id = _job_id;
    IF ganns.check_worker(_worker_id) AND u.claimed_by IS DISTINCT FROM _worker_id THEN
        RETURN ''stale'';
    END IF;
    IF u.job_id IS NULL THEN');
BEGIN
    IF _after = _before THEN
        RAISE EXCEPTION 'ganns_api.submit has no line %', _line;
    END IF;
    EXECUTE _after;
END
$do$;

CREATE OR REPLACE FUNCTION ganns_api.fail_unit(_job_id bigint, _attempt integer, _worker_id bigint, _reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM ganns.check_worker(_worker_id);
    -- All workers of a student count as one: else three of them could set a unit aside.
    INSERT INTO ganns.unit_failures (job_id, attempt, run_id, round, unit, worker, reason)
    SELECT _job_id, _attempt, u.run_id, u.round, u.unit, coalesce(s.label, w.name, _worker_id::text), right(_reason, 20000)
    FROM ganns.units u
    LEFT JOIN ganns.workers w ON w.id = _worker_id
    LEFT JOIN ganns.students s ON s.login = session_user
    WHERE u.job_id = _job_id AND u.attempt = _attempt AND u.claimed_by = _worker_id
    ON CONFLICT DO NOTHING;
END
$$;
