-- Tasks stand by themselves: a worker's supervisor sends heartbeats in its place, reports its death at once, and does the
-- rescue when no other process does; delayed jobs wake the workers when they are due; ended jobs can run again.

DROP FUNCTION ganns_api.task_beat(bigint);

CREATE FUNCTION ganns_api.task_beat(_worker_id bigint, _held bigint[] DEFAULT NULL) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
-- Record a heartbeat. `_held`: the jobs that the worker knows; others, started 15 s ago or earlier, are queued again.
-- Return true if no process holds the lease of the rescue.
DECLARE
    _young bigint[];
BEGIN
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
    RETURN NOT EXISTS (SELECT FROM ganns.task_leases l WHERE l.name = 'rescue' AND l.until > clock_timestamp());
END
$$;

CREATE OR REPLACE FUNCTION ganns_api.task_fetch(_queues varchar[], _worker_id bigint)
    RETURNS TABLE (id bigint, status procrastinate.procrastinate_job_status, task_name varchar, priority integer,
                   lock text, queueing_lock text, args jsonb, scheduled_at timestamptz, queue_name varchar,
                   attempts integer, worker_id bigint, retries integer, group_id bigint, wait_s double precision)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
-- procrastinate_fetch_job_v2 with more conditions: paused queues, draining workers, what a worker can do, rate
-- limits, expiry. Always one row: a job, or only `wait_s`, the seconds until there may be one: a rate limit allows it, or
-- its time has come. A later time than 3 s from now is left to the worker's next question.
#variable_conflict use_column
DECLARE
    me ganns.task_workers;
    j procrastinate.procrastinate_jobs;
    c ganns.task_calls;
    _shut text[];  -- tasks that this worker cannot run, or that have no token
    _paused text[];
    _token_s double precision;
    _wait_s double precision;
    _retries integer := 0;
BEGIN
    SELECT * INTO me FROM ganns.task_workers w WHERE w.worker_id = _worker_id;
    IF me.draining THEN
        RETURN QUERY SELECT (NULL::procrastinate.procrastinate_jobs).id, NULL::procrastinate.procrastinate_job_status,
            NULL::varchar, NULL::integer, NULL::text, NULL::text, NULL::jsonb, NULL::timestamptz, NULL::varchar,
            NULL::integer, NULL::bigint, NULL::integer, NULL::bigint, NULL::float8;
        RETURN;
    END IF;
    SELECT coalesce(array_agg(r.task_name), '{}') INTO _shut FROM ganns.task_rules r
    WHERE NOT r.requires <@ coalesce(me.abilities, '{}') OR r.memory_mb > coalesce(me.memory_mb, 0);
    SELECT coalesce(array_agg(p.queue_name), '{}') INTO _paused FROM ganns.task_pauses p;
    LOOP
        SELECT jobs.* INTO j FROM procrastinate.procrastinate_jobs AS jobs
        WHERE jobs.status = 'todo'
          AND (_queues IS NULL OR jobs.queue_name = ANY (_queues))
          AND (jobs.scheduled_at IS NULL OR jobs.scheduled_at <= now())
          AND jobs.queue_name <> ALL (_paused)
          AND jobs.task_name <> ALL (_shut)
          AND (me.tasks IS NULL OR jobs.task_name = ANY (me.tasks))
          AND (jobs.lock IS NULL OR NOT EXISTS (
              SELECT FROM procrastinate.procrastinate_jobs AS other
              WHERE other.lock = jobs.lock
                AND (other.status = 'doing'
                     OR (other.status = 'todo'
                         AND (other.priority > jobs.priority OR (other.priority = jobs.priority AND other.id < jobs.id))))))
        ORDER BY jobs.priority DESC, jobs.id LIMIT 1
        FOR UPDATE OF jobs SKIP LOCKED;
        IF NOT FOUND THEN
            -- `least` and `greatest` pass over null, so the lower bound is inside.
            SELECT least(_wait_s, extract(epoch FROM min(greatest(jobs.scheduled_at, clock_timestamp())) - clock_timestamp()))
            INTO _wait_s
            FROM procrastinate.procrastinate_jobs AS jobs
            WHERE jobs.status = 'todo'
              AND jobs.scheduled_at > now() AND jobs.scheduled_at <= now() + interval '3 seconds'
              AND (_queues IS NULL OR jobs.queue_name = ANY (_queues))
              AND jobs.queue_name <> ALL (_paused)
              AND jobs.task_name <> ALL (_shut)
              AND (me.tasks IS NULL OR jobs.task_name = ANY (me.tasks));
            RETURN QUERY SELECT NULL::bigint, NULL::procrastinate.procrastinate_job_status,
                NULL::varchar, NULL::integer, NULL::text, NULL::text, NULL::jsonb, NULL::timestamptz, NULL::varchar,
                NULL::integer, NULL::bigint, NULL::integer, NULL::bigint, _wait_s;
            RETURN;
        END IF;
        SELECT * INTO c FROM ganns.task_calls call WHERE call.job_id = j.id;
        IF c.expires_at < clock_timestamp() THEN
            PERFORM procrastinate.procrastinate_cancel_job_v1(j.id, false, false);
            PERFORM ganns.task_complete(j.id, j.attempts, j.task_name, 'REVOKED', NULL, NULL,
                                        'TaskRevoked: expired before a worker was free', NULL, true, 86400);
            CONTINUE;
        END IF;
        _token_s := ganns.task_take_token(j.task_name);
        EXIT WHEN _token_s = 0;
        _shut := _shut || j.task_name::text;
        _wait_s := least(_wait_s, _token_s);
    END LOOP;
    IF NOT EXISTS (SELECT FROM procrastinate.procrastinate_workers w WHERE w.id = _worker_id) THEN
        PERFORM ganns_api.task_beat(_worker_id);  -- pruned while asleep; the job's row will refer to it
    END IF;
    UPDATE procrastinate.procrastinate_jobs jobs SET status = 'doing', worker_id = _worker_id WHERE jobs.id = j.id;
    IF j.attempts > 0 THEN
        SELECT count(*) INTO _retries FROM ganns.task_attempts a WHERE a.job_id = j.id AND a.kind = 'retry';
    END IF;
    RETURN QUERY SELECT j.id, 'doing'::procrastinate.procrastinate_job_status, j.task_name, j.priority, j.lock,
        j.queueing_lock, j.args, j.scheduled_at, j.queue_name, j.attempts, _worker_id, _retries, c.group_id, NULL::float8;
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
        INSERT INTO ganns.task_attempts (job_id, attempt, kind, worker_id, traceback)
        VALUES (_job_id, _attempt, 'retry', j.worker_id, _traceback) ON CONFLICT DO NOTHING;
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

CREATE OR REPLACE FUNCTION ganns.task_settle(_group_id bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = procrastinate, pg_temp
AS $$
-- Look whether a group can be closed, and close it: at its quorum, when its quorum is out of reach, at its deadline.
DECLARE
    g ganns.task_groups;
    _num_ok integer;
    _num_done integer;
    _why text;
    _values jsonb;
    _expires_at timestamptz;
BEGIN
    SELECT * INTO g FROM ganns.task_groups WHERE id = _group_id;
    IF g.quorum IS NULL OR g.closed_at IS NOT NULL THEN
        RETURN;
    END IF;
    -- Two members that finish in the same instant: the second waits here, and then counts the first one's row too.
    SELECT * INTO g FROM ganns.task_groups WHERE id = _group_id FOR UPDATE;
    IF g.closed_at IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT count(*) FILTER (WHERE r.state = 'SUCCESS'), count(*), max(r.expires_at)
    INTO _num_ok, _num_done, _expires_at FROM ganns.task_results r WHERE r.group_id = _group_id;
    IF _num_ok >= g.quorum THEN
        IF g.grace_s > 0 AND _num_done < g.size THEN
            IF g.quorum_at IS NULL THEN
                UPDATE ganns.task_groups SET quorum_at = clock_timestamp() WHERE id = _group_id;
                RETURN;
            ELSIF clock_timestamp() < g.quorum_at + make_interval(secs => g.grace_s) THEN
                RETURN;
            END IF;
        END IF;
    ELSIF g.size - (_num_done - _num_ok) < g.quorum THEN
        SELECT format('%s of %s members failed, so that its quorum of %s is out of reach; first member %s: %s',
                      _num_done - _num_ok, g.size, g.quorum, r.index, coalesce(r.error, r.state))
        INTO _why FROM ganns.task_results r WHERE r.group_id = _group_id AND r.state <> 'SUCCESS'
        ORDER BY r.finished_at LIMIT 1;
    ELSIF g.deadline_at <= clock_timestamp() THEN
        IF _num_ok = 0 THEN
            _why := format('its deadline passed with none of %s results', g.quorum);
        END IF;
    ELSE
        RETURN;
    END IF;

    UPDATE ganns.task_groups SET closed_at = clock_timestamp(), failure = _why WHERE id = _group_id;
    PERFORM ganns.task_cancel_group(_group_id);
    PERFORM pg_notify('ganns_group_' || _group_id, 'closed');
    _expires_at := coalesce(_expires_at, now() + interval '1 day');
    IF _why IS NOT NULL THEN
        IF g.parent_id IS NOT NULL THEN
            INSERT INTO ganns.task_results (group_id, index, state, error, traceback, expires_at)
            VALUES (g.parent_id, g.parent_index, 'FAILURE', 'ChordFailed: ' || _why,
                    (SELECT r.traceback FROM ganns.task_results r
                     WHERE r.group_id = _group_id AND r.traceback IS NOT NULL ORDER BY r.finished_at LIMIT 1), _expires_at)
            ON CONFLICT DO NOTHING;
        END IF;
    ELSE
        SELECT jsonb_agg(CASE WHEN r.data IS NULL THEN coalesce(r.value, 'null'::jsonb)
                              ELSE jsonb_build_object('$result', r.job_id) END ORDER BY r.index)
        INTO _values FROM ganns.task_results r WHERE r.group_id = _group_id AND r.state = 'SUCCESS';
        IF g.rest IS NOT NULL THEN
            BEGIN
                PERFORM ganns.task_defer(g.parent_id, g.parent_index, jsonb_build_array(g.rest), _values);
                RETURN;
            EXCEPTION WHEN data_exception OR integrity_constraint_violation OR raise_exception
                        OR syntax_error_or_access_rule_violation OR program_limit_exceeded THEN
                -- A body that cannot be enqueued is the chord's fault. Without this, neither its last member nor the
                -- upkeep of all other groups could end.
                _why := 'its body cannot be enqueued: ' || SQLERRM;
            END;
            UPDATE ganns.task_groups SET failure = _why WHERE id = _group_id;
            IF g.parent_id IS NOT NULL THEN
                INSERT INTO ganns.task_results (group_id, index, state, error, expires_at)
                VALUES (g.parent_id, g.parent_index, 'FAILURE', 'ChordFailed: ' || _why, _expires_at)
                ON CONFLICT DO NOTHING;
            END IF;
        ELSIF g.parent_id IS NOT NULL THEN
            INSERT INTO ganns.task_results (group_id, index, state, value, expires_at)
            VALUES (g.parent_id, g.parent_index, 'SUCCESS', _values, _expires_at) ON CONFLICT DO NOTHING;
        END IF;
    END IF;
    IF g.parent_id IS NOT NULL THEN
        PERFORM pg_notify('ganns_group_' || g.parent_id, 'result');
        PERFORM ganns.task_settle(g.parent_id);
    END IF;
END
$$;

DROP FUNCTION ganns.task_rescue(double precision, integer);

CREATE FUNCTION ganns.task_rescue(_silent_s double precision, _max_deaths integer, _worker_id bigint DEFAULT NULL)
    RETURNS TABLE (job_id bigint, attempt integer, fate text)
    LANGUAGE plpgsql SET search_path = procrastinate, pg_temp
AS $$
-- Jobs whose worker is gone or silent: queued again (`retried`), or ended: `revoked`, over its `time_limit`, `poison`.
-- With `_worker_id`: the jobs of this worker, which ended a moment ago.
#variable_conflict use_column
DECLARE
    j record;
    _num_deaths integer;
    _error text;
    _limit_s double precision;
BEGIN
    FOR j IN SELECT job.id, job.attempts, job.task_name, job.queue_name, job.abort_requested, job.worker_id,
                    w.last_heartbeat
             FROM procrastinate.procrastinate_jobs job
             LEFT JOIN procrastinate.procrastinate_workers w ON w.id = job.worker_id
             WHERE job.status = 'doing'
               AND CASE WHEN _worker_id IS NOT NULL THEN job.worker_id = _worker_id
                        ELSE w.id IS NULL OR w.last_heartbeat < now() - make_interval(secs => _silent_s) END
             FOR UPDATE OF job SKIP LOCKED LOOP
        INSERT INTO ganns.task_attempts (job_id, attempt, kind, worker_id) VALUES (j.id, j.attempts, 'died', j.worker_id)
        ON CONFLICT DO NOTHING;
        SELECT count(*) INTO _num_deaths FROM ganns.task_attempts a WHERE a.job_id = j.id AND a.kind = 'died';
        SELECT r.time_limit_s INTO _limit_s FROM ganns.task_rules r
        WHERE r.task_name = j.task_name
          AND CASE WHEN _worker_id IS NULL THEN coalesce(j.last_heartbeat, now()) ELSE now() END - (
              SELECT max(e.at) FROM procrastinate.procrastinate_events e WHERE e.job_id = j.id AND e.type = 'started')
              >= make_interval(secs => r.time_limit_s * 0.9);  -- the last heartbeat was a little before the kill
        job_id := j.id;
        attempt := j.attempts;
        IF j.abort_requested THEN
            fate := 'revoked';
            PERFORM procrastinate.procrastinate_finish_job_v1(j.id, 'aborted', false);
            PERFORM ganns.task_complete(j.id, j.attempts, j.task_name, 'REVOKED', NULL, NULL,
                                        'TaskRevoked: revoked while it ran', NULL, true, 86400);
        ELSIF _limit_s IS NOT NULL OR _num_deaths >= _max_deaths THEN
            fate := CASE WHEN _limit_s IS NOT NULL THEN 'time_limit' ELSE 'poison' END;
            _error := CASE WHEN _limit_s IS NOT NULL
                THEN format('TimeLimitExceeded: ran for longer than its time_limit of %s s, and was killed', _limit_s)
                ELSE format('WorkerLost: %s attempts ended with their worker''s death', _num_deaths) END;
            PERFORM procrastinate.procrastinate_finish_job_v1(j.id, 'failed', false);
            PERFORM ganns.task_complete(j.id, j.attempts, j.task_name, 'FAILURE', NULL, NULL, _error, (
                SELECT string_agg(format('attempt %s, worker %s (%s): its process died at %s', a.attempt, a.worker_id,
                                         coalesce(w.name, 'unknown'), a.at), E'\n' ORDER BY a.attempt) || E'\n' || _error
                FROM ganns.task_attempts a LEFT JOIN ganns.task_workers w ON w.worker_id = a.worker_id
                WHERE a.job_id = j.id AND a.kind = 'died'), true, 86400);
        ELSE
            fate := 'retried';
            PERFORM procrastinate.procrastinate_retry_job_v2(j.id, NULL, NULL, NULL, NULL);
            PERFORM ganns.task_wake(j.id, j.queue_name);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

CREATE FUNCTION ganns_api.task_worker_ended(_worker_id bigint, _max_deaths integer)
    RETURNS TABLE (job_id bigint, attempt integer, fate text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
-- A supervisor says that its worker's process has ended: what the rescue does after 15 s of silence happens at once.
BEGIN
    UPDATE procrastinate.procrastinate_workers w SET last_heartbeat = now() - interval '1 minute' WHERE w.id = _worker_id;
    RETURN QUERY SELECT r.job_id, r.attempt, r.fate FROM ganns.task_rescue(0, _max_deaths, _worker_id) r;
END
$$;

CREATE FUNCTION ganns.task_run_again(_job_id bigint) RETURNS text
    LANGUAGE plpgsql SET search_path = procrastinate, pg_temp
AS $$
-- Queue a job again that failed or was revoked, as if it were new; return null, or why not.
DECLARE
    j procrastinate.procrastinate_jobs;
    c ganns.task_calls;
BEGIN
    SELECT * INTO j FROM procrastinate.procrastinate_jobs WHERE id = _job_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'there is no such job (any more)';
    ELSIF j.status IN ('todo', 'doing') THEN
        RETURN 'it has not ended';
    ELSIF j.status = 'succeeded' THEN
        RETURN 'it succeeded';
    END IF;
    SELECT * INTO c FROM ganns.task_calls call WHERE call.job_id = _job_id;
    IF EXISTS (SELECT FROM ganns.task_groups g WHERE g.id = c.group_id AND g.closed_at IS NOT NULL) THEN
        RETURN 'its chain, group or chord has ended';
    END IF;
    DELETE FROM ganns.task_results r WHERE r.job_id = _job_id;
    DELETE FROM ganns.task_attempts a WHERE a.job_id = _job_id;  -- its retries and deaths are counted anew
    UPDATE ganns.task_calls call SET terminate = false, expires_at = NULL WHERE call.job_id = _job_id;
    UPDATE procrastinate.procrastinate_jobs job
    SET status = 'todo', attempts = attempts + 1, scheduled_at = NULL, abort_requested = false, worker_id = NULL
    WHERE job.id = _job_id;
    PERFORM ganns.task_wake(_job_id, j.queue_name);
    RETURN NULL;
END
$$;
