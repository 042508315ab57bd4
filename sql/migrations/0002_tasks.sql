-- The task framework: Celery's semantics, kept in rows.
--
-- A *plan* is what is still to be done, as JSON: a list of steps, one after the other. A step is a call,
--     {"task": .., "queue": .., "priority": .., "args": {..}, "into": ["x"], "delay_s": .., "expires_s": ..}
-- ("into": where in the arguments the previous step's result goes), or a group of plans that run side by side,
--     {"group": [plan, ..], "quorum": n, "deadline_s": .., "grace_s": ..}
-- So a chain is a plan of several calls, and a chord is a plan of a group and a call. What remains of a plan lies in
-- the row of the job or group that comes before it (`rest`): the transaction that completes the one starts the other.
--
-- Nothing counts by incrementing: whoever wants to know how many members are done counts rows of results, holding
-- the group's row. A counter drifts with the first duplicate, and a chord that missed one never ends.

CREATE TABLE ganns.task_groups (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    size integer NOT NULL CHECK (size >= 1),
    quorum integer CHECK (quorum BETWEEN 1 AND size),  -- null: nothing happens by itself, its caller awaits it
    grace_s double precision NOT NULL DEFAULT 0,
    deadline_at timestamptz,
    quorum_at timestamptz,  -- when the quorum was reached, while the grace lasts
    rest jsonb,  -- the plan that goes on with the results: a chord's body
    parent_id bigint,  -- the group that this one is a member of, directly or at the end of a chain
    parent_index integer,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at timestamptz,
    failure text  -- why its quorum could not be reached
);
CREATE INDEX task_groups_open ON ganns.task_groups (id) WHERE closed_at IS NULL AND quorum IS NOT NULL;  -- for upkeep
CREATE INDEX task_groups_closed ON ganns.task_groups (closed_at) WHERE closed_at IS NOT NULL;  -- for upkeep
CREATE INDEX task_groups_parent ON ganns.task_groups (parent_id) WHERE parent_id IS NOT NULL;  -- for revoking

CREATE TABLE ganns.task_calls (  -- what we know of a job beyond procrastinate's row; many jobs need none
    job_id bigint PRIMARY KEY,  -- no foreign key: procrastinate's jobs come and go
    group_id bigint,
    index integer,
    rest jsonb,
    expires_at timestamptz,
    terminate boolean NOT NULL DEFAULT false,  -- revoked, and its process is to be killed
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX task_calls_group ON ganns.task_calls (group_id) WHERE group_id IS NOT NULL;  -- for closing a group
CREATE INDEX task_calls_expiry ON ganns.task_calls (expires_at) WHERE expires_at IS NOT NULL;  -- for upkeep

CREATE TABLE ganns.task_results (
    job_id bigint UNIQUE,  -- one result a job; null: the failure of a chord, whose body never became a job
    attempt integer,
    task_name text,
    group_id bigint,  -- null in the middle of a chain: only its end is the group's member
    index integer,
    state text NOT NULL CHECK (state IN ('SUCCESS', 'FAILURE', 'REVOKED')),
    value jsonb,
    data bytea,  -- a result of raw bytes
    error text,  -- one line: type and message
    traceback text,
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    UNIQUE (group_id, index)  -- one result a member, whatever is retried, duplicated or late
);
ALTER TABLE ganns.task_results ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE INDEX task_results_expiry ON ganns.task_results (expires_at);  -- for upkeep

CREATE TABLE ganns.task_attempts (  -- attempts that did not end with a result
    job_id bigint NOT NULL,
    attempt integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('retry', 'died')),
    worker_id bigint,
    traceback text,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job_id, attempt)
);

CREATE TABLE ganns.task_rules (  -- what the code says of its tasks; workers write it down when they register
    task_name text PRIMARY KEY,
    requires text[] NOT NULL DEFAULT '{}',
    memory_mb integer NOT NULL DEFAULT 0,
    time_limit_s double precision,
    rate_per_s double precision CHECK (rate_per_s > 0),  -- a token bucket, one for the whole class
    burst double precision NOT NULL DEFAULT 1 CHECK (burst >= 1),
    tokens double precision NOT NULL DEFAULT 1,
    filled_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE ganns.task_workers (
    worker_id bigint PRIMARY KEY,
    name text NOT NULL,
    login name NOT NULL DEFAULT session_user,
    abilities text[] NOT NULL DEFAULT '{}',
    memory_mb integer NOT NULL DEFAULT 0,
    tasks text[] NOT NULL,  -- which it has the code of
    draining boolean NOT NULL DEFAULT false,
    registered_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ganns.task_pauses (
    queue_name text PRIMARY KEY,
    paused_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ganns.task_leases (
    name text PRIMARY KEY,
    generation bigint NOT NULL,
    holder text NOT NULL,
    until timestamptz NOT NULL
);

-- Starting -------------------------------------------------------------------------------------------------
-- search_path is pinned to procrastinate's schema, since procrastinate's own functions do not qualify their names.

CREATE FUNCTION ganns.task_defer(_group_id bigint, _index integer, _plans jsonb, _value jsonb) RETURNS bigint[]
    LANGUAGE plpgsql SET search_path = procrastinate, pg_temp
AS $$
-- Enqueue the first step of each plan, in one statement; return the jobs in order. `_index` is the first one's.
DECLARE
    _jobs procrastinate.procrastinate_job_to_defer_v1[];
    _job_ids bigint[];
BEGIN
    SELECT array_agg(ROW(
        p.plan -> 0 ->> 'queue', p.plan -> 0 ->> 'task', coalesce((p.plan -> 0 ->> 'priority')::integer, 0), NULL, NULL,
        CASE WHEN _value IS NULL OR NOT p.plan -> 0 ? 'into' THEN p.plan -> 0 -> 'args'
             ELSE jsonb_set(p.plan -> 0 -> 'args',
                            ARRAY(SELECT jsonb_array_elements_text(p.plan -> 0 -> 'into')), _value) END,
        coalesce((p.plan -> 0 ->> 'eta')::timestamptz,
                 clock_timestamp() + make_interval(secs => (p.plan -> 0 ->> 'delay_s')::float8))
        )::procrastinate.procrastinate_job_to_defer_v1 ORDER BY p.n)
    INTO _jobs
    FROM jsonb_array_elements(_plans) WITH ORDINALITY AS p(plan, n) WHERE NOT p.plan -> 0 ? 'group';
    IF _jobs IS NOT NULL THEN
        _job_ids := procrastinate.procrastinate_defer_jobs_v1(_jobs);
    END IF;

    INSERT INTO ganns.task_calls (job_id, group_id, index, rest, expires_at)
    SELECT j.id, _group_id, _index + p.n - 1, nullif(p.plan - 0, '[]'::jsonb),
           coalesce((p.plan -> 0 ->> 'expires')::timestamptz,
                    clock_timestamp() + make_interval(secs => (p.plan -> 0 ->> 'expires_s')::float8))
    FROM (SELECT a.plan, a.n::integer, row_number() OVER (ORDER BY a.n) AS k
          FROM jsonb_array_elements(_plans) WITH ORDINALITY AS a(plan, n) WHERE NOT a.plan -> 0 ? 'group') AS p
    JOIN unnest(_job_ids) WITH ORDINALITY AS j(id, k) ON j.k = p.k
    WHERE _group_id IS NOT NULL OR jsonb_array_length(p.plan) > 1
       OR p.plan -> 0 ? 'expires' OR p.plan -> 0 ? 'expires_s';

    -- Members that are groups themselves.
    PERFORM ganns.task_open_group(a.plan -> 0, nullif(a.plan - 0, '[]'::jsonb), _value, _group_id, _index + a.n::integer - 1)
    FROM jsonb_array_elements(_plans) WITH ORDINALITY AS a(plan, n) WHERE a.plan -> 0 ? 'group';
    RETURN _job_ids;
END
$$;

CREATE FUNCTION ganns.task_open_group(
    _step jsonb, _rest jsonb, _value jsonb, _parent_id bigint, _parent_index integer,
    OUT group_id bigint, OUT job_ids bigint[]
)
    LANGUAGE plpgsql SET search_path = procrastinate, pg_temp
AS $$
BEGIN
    INSERT INTO ganns.task_groups (size, quorum, grace_s, deadline_at, rest, parent_id, parent_index)
    VALUES (jsonb_array_length(_step -> 'group'),
            -- Somebody must go on when it is done: then "done" means all, where no quorum says otherwise.
            coalesce((_step ->> 'quorum')::integer,
                     CASE WHEN _rest IS NOT NULL OR _parent_id IS NOT NULL
                          THEN jsonb_array_length(_step -> 'group') END),
            coalesce((_step ->> 'grace_s')::float8, 0),
            clock_timestamp() + make_interval(secs => (_step ->> 'deadline_s')::float8),
            _rest, _parent_id, _parent_index)
    RETURNING id INTO group_id;
    job_ids := ganns.task_defer(group_id, 0, _step -> 'group', _value);
END
$$;

CREATE FUNCTION ganns.task_apply(_plan jsonb, OUT group_id bigint, OUT job_ids bigint[])
    LANGUAGE plpgsql SET search_path = procrastinate, pg_temp
AS $$
BEGIN
    IF _plan -> 0 ? 'group' THEN
        SELECT o.group_id, o.job_ids INTO group_id, job_ids
        FROM ganns.task_open_group(_plan -> 0, nullif(_plan - 0, '[]'::jsonb), NULL, NULL, NULL) o;
    ELSE
        job_ids := ganns.task_defer(NULL, 0, jsonb_build_array(_plan), NULL);
    END IF;
END
$$;

-- Completing -----------------------------------------------------------------------------------------------

CREATE FUNCTION ganns.task_cancel_group(_group_id bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = procrastinate, pg_temp
AS $$
-- Revoke what is left of a closed group. SKIP LOCKED, or two members that finish together would wait for each other:
-- one holds the group and wants the other's job, the other holds its job and wants the group. A job that is
-- locked is just being finished, or just being fetched; the upkeep comes back for the latter.
BEGIN
    PERFORM procrastinate.procrastinate_cancel_job_v1(left_over.id, true, false)
    FROM (
        WITH RECURSIVE tree(id) AS (
            SELECT _group_id
            UNION
            SELECT g.id FROM ganns.task_groups g JOIN tree ON g.parent_id = tree.id
        )
        SELECT j.id FROM tree
        JOIN ganns.task_calls c ON c.group_id = tree.id
        JOIN procrastinate.procrastinate_jobs j ON j.id = c.job_id
        WHERE j.status = 'todo' OR (j.status = 'doing' AND NOT j.abort_requested)
        FOR UPDATE OF j SKIP LOCKED
    ) AS left_over;
    WITH RECURSIVE tree(id) AS (
        SELECT g.id FROM ganns.task_groups g WHERE g.parent_id = _group_id
        UNION
        SELECT g.id FROM ganns.task_groups g JOIN tree ON g.parent_id = tree.id
    )
    UPDATE ganns.task_groups g SET closed_at = clock_timestamp(), failure = 'revoked: the group around it was closed'
    WHERE g.id IN (SELECT inside.id FROM ganns.task_groups inside JOIN tree ON tree.id = inside.id
                   WHERE inside.closed_at IS NULL FOR UPDATE OF inside SKIP LOCKED);
END
$$;

CREATE FUNCTION ganns.task_settle(_group_id bigint) RETURNS void
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
            PERFORM ganns.task_defer(g.parent_id, g.parent_index, jsonb_build_array(g.rest), _values);
            RETURN;
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

CREATE FUNCTION ganns.task_complete(
    _job_id bigint, _attempt integer, _task_name text, _state text, _value jsonb, _data bytea, _error text,
    _traceback text, _keep boolean, _keep_s double precision
) RETURNS void
    LANGUAGE plpgsql SET search_path = procrastinate, pg_temp
AS $$
-- Everything that follows from a job's end: its result, the next step or the group's closing, waking who waits.
DECLARE
    c ganns.task_calls;
    _last boolean;
BEGIN
    SELECT * INTO c FROM ganns.task_calls WHERE job_id = _job_id;
    _last := c.rest IS NULL OR _state <> 'SUCCESS';
    IF _keep OR _state <> 'SUCCESS' OR (c.group_id IS NOT NULL AND _last) THEN
        INSERT INTO ganns.task_results
            (job_id, attempt, task_name, group_id, index, state, value, data, error, traceback, expires_at)
        VALUES (_job_id, _attempt, _task_name, CASE WHEN _last THEN c.group_id END, CASE WHEN _last THEN c.index END,
                _state, _value, _data, _error, _traceback, now() + make_interval(secs => _keep_s))
        ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RETURN;  -- a duplicate: whoever stored the first one did the rest too, in the same transaction
        END IF;
        PERFORM pg_notify(CASE WHEN c.group_id IS NULL OR NOT _last THEN 'ganns_task_' || _job_id
                               ELSE 'ganns_group_' || c.group_id END, 'result');
    END IF;
    IF NOT _last THEN
        IF EXISTS (SELECT FROM ganns.task_groups g WHERE g.id = c.group_id AND g.closed_at IS NOT NULL) THEN
            RETURN;  -- nobody wants the rest of this chain any more
        END IF;
        PERFORM ganns.task_defer(c.group_id, c.index, jsonb_build_array(c.rest),
            CASE WHEN _data IS NULL THEN coalesce(_value, 'null'::jsonb)
                 ELSE jsonb_build_object('$result', _job_id) END);
    ELSIF c.group_id IS NOT NULL THEN
        PERFORM ganns.task_settle(c.group_id);
    END IF;
END
$$;

CREATE FUNCTION ganns.task_wake(_job_id bigint, _queue_name text) RETURNS void
    LANGUAGE sql SET search_path = procrastinate, pg_temp
AS $$
    -- A retry is an UPDATE, for which procrastinate notifies nobody.
    SELECT pg_notify('procrastinate_queue_v1#' || _queue_name, note.text), pg_notify('procrastinate_any_queue_v1', note.text)
    FROM (SELECT json_build_object('type', 'job_inserted', 'job_id', _job_id)::text) AS note(text)
$$;

-- What workers may do --------------------------------------------------------------------------------------

CREATE FUNCTION ganns_api.task_register(
    _worker_id bigint, _name text, _abilities text[], _memory_mb integer, _tasks text[], _rules jsonb
) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
    INSERT INTO ganns.task_workers (worker_id, name, abilities, memory_mb, tasks)
    VALUES (_worker_id, left(_name, 100), _abilities, _memory_mb, _tasks)
    ON CONFLICT (worker_id) DO UPDATE
    SET name = excluded.name, abilities = excluded.abilities, memory_mb = excluded.memory_mb, tasks = excluded.tasks;
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

CREATE FUNCTION ganns_api.task_beat(_worker_id bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
    -- Also for a worker that was pruned while its lid was closed: its jobs refer to the row.
    INSERT INTO procrastinate.procrastinate_workers (id, last_heartbeat) OVERRIDING SYSTEM VALUE
    VALUES (_worker_id, now()) ON CONFLICT (id) DO UPDATE SET last_heartbeat = now()
$$;

CREATE FUNCTION ganns.task_take_token(_task_name text) RETURNS double precision
    LANGUAGE plpgsql SET search_path = procrastinate, pg_temp
AS $$
-- Take a token from the task's bucket; return 0, or the seconds until there is one.
DECLARE
    r ganns.task_rules;
    _tokens double precision;
BEGIN
    SELECT * INTO r FROM ganns.task_rules WHERE task_name = _task_name AND rate_per_s IS NOT NULL;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    SELECT * INTO r FROM ganns.task_rules WHERE task_name = _task_name FOR UPDATE;
    _tokens := least(r.burst, r.tokens + r.rate_per_s * extract(epoch FROM clock_timestamp() - r.filled_at));
    IF _tokens < 1 THEN
        RETURN (1 - _tokens) / r.rate_per_s;
    END IF;
    UPDATE ganns.task_rules SET tokens = _tokens - 1, filled_at = clock_timestamp() WHERE task_name = _task_name;
    RETURN 0;
END
$$;

CREATE FUNCTION ganns_api.task_fetch(_queues varchar[], _worker_id bigint)
    RETURNS TABLE (id bigint, status procrastinate.procrastinate_job_status, task_name varchar, priority integer,
                   lock text, queueing_lock text, args jsonb, scheduled_at timestamptz, queue_name varchar,
                   attempts integer, worker_id bigint, retries integer, group_id bigint, wait_s double precision)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
-- procrastinate_fetch_job_v2 with more conditions: paused queues, draining workers, what a worker can do, rate
-- limits, expiry. Always one row: a job, or only `wait_s`, the seconds until a rate limit may let one through.
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

CREATE FUNCTION ganns_api.task_finish(
    _job_id bigint, _attempt integer, _status text, _delete boolean, _state text, _value jsonb, _data bytea,
    _error text, _traceback text, _keep boolean, _keep_s double precision
) RETURNS boolean  -- false: this attempt no longer holds the job (it was rescued, or finished before)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
DECLARE
    _task_name text;
BEGIN
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

CREATE FUNCTION ganns_api.task_retry(
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
    IF coalesce(_delay_s, 0) = 0 AND (_at IS NULL OR _at <= now()) THEN
        PERFORM ganns.task_wake(_job_id, coalesce(_queue_name, j.queue_name));
    END IF;
    RETURN true;
END
$$;

CREATE FUNCTION ganns_api.task_aborts(_worker_id bigint) RETURNS TABLE (id bigint, terminate boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
    SELECT j.id, coalesce(c.terminate, false) FROM procrastinate.procrastinate_jobs j
    LEFT JOIN ganns.task_calls c ON c.job_id = j.id
    WHERE j.worker_id = _worker_id AND j.status = 'doing' AND j.abort_requested
$$;

CREATE FUNCTION ganns_api.task_blob(_job_id bigint) RETURNS bytea
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = procrastinate, pg_temp
AS $$
    SELECT r.data FROM ganns.task_results r WHERE r.job_id = _job_id
$$;

-- Revoking and upkeep --------------------------------------------------------------------------------------

CREATE FUNCTION ganns.task_revoke(_job_ids bigint[], _terminate boolean) RETURNS integer
    LANGUAGE plpgsql SET search_path = procrastinate, pg_temp
AS $$
-- Queued jobs are cancelled, running ones asked to stop (or killed). Locked in one order, so that two do not deadlock.
DECLARE
    j record;
    _num integer := 0;
BEGIN
    FOR j IN SELECT id, status, attempts, task_name FROM procrastinate.procrastinate_jobs
             WHERE id = ANY (_job_ids) AND status IN ('todo', 'doing') ORDER BY id FOR UPDATE LOOP
        IF j.status = 'doing' AND _terminate THEN
            INSERT INTO ganns.task_calls (job_id, terminate) VALUES (j.id, true)
            ON CONFLICT (job_id) DO UPDATE SET terminate = true;
        END IF;
        PERFORM procrastinate.procrastinate_cancel_job_v1(j.id, j.status = 'doing', false);
        _num := _num + 1;
        IF j.status = 'todo' THEN
            PERFORM ganns.task_complete(j.id, j.attempts, j.task_name, 'REVOKED', NULL, NULL, 'TaskRevoked: revoked',
                                        NULL, true, 86400);
        END IF;
    END LOOP;
    RETURN _num;
END
$$;

CREATE FUNCTION ganns.task_lease(_name text, _holder text, _generation bigint, _lease_s double precision) RETURNS bigint
    LANGUAGE sql
AS $$
    -- Take the lease, or keep it; null if somebody else has it. A generation is one holder's: a holder that was
    -- stopped for longer than the lease comes back with an old one.
    INSERT INTO ganns.task_leases AS l (name, generation, holder, until)
    VALUES (_name, 1, _holder, clock_timestamp() + make_interval(secs => _lease_s))
    ON CONFLICT (name) DO UPDATE
    SET generation = l.generation + CASE WHEN l.generation = _generation THEN 0 ELSE 1 END,
        holder = excluded.holder, until = excluded.until
    WHERE l.generation = _generation OR l.until < clock_timestamp()
    RETURNING generation
$$;

CREATE FUNCTION ganns.task_rescue(_silent_s double precision, _max_deaths integer)
    RETURNS TABLE (job_id bigint, attempt integer, fate text)
    LANGUAGE plpgsql SET search_path = procrastinate, pg_temp
AS $$
-- Jobs whose worker is gone or silent: queued again (`retried`), or ended: `revoked`, over its `time_limit`, `poison`.
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
               AND (w.id IS NULL OR w.last_heartbeat < now() - make_interval(secs => _silent_s))
             FOR UPDATE OF job SKIP LOCKED LOOP
        INSERT INTO ganns.task_attempts (job_id, attempt, kind, worker_id) VALUES (j.id, j.attempts, 'died', j.worker_id)
        ON CONFLICT DO NOTHING;
        SELECT count(*) INTO _num_deaths FROM ganns.task_attempts a WHERE a.job_id = j.id AND a.kind = 'died';
        SELECT r.time_limit_s INTO _limit_s FROM ganns.task_rules r
        WHERE r.task_name = j.task_name
          AND coalesce(j.last_heartbeat, now()) - (
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

CREATE FUNCTION ganns.task_upkeep(_prune_s double precision) RETURNS void
    LANGUAGE plpgsql SET search_path = procrastinate, pg_temp
AS $$
-- What time alone brings about: deadlines, expiry, and what a lost transaction or foreign hands left behind.
DECLARE
    r record;
BEGIN
    -- Queued jobs that expired, whether or not a worker looks at them.
    FOR r IN SELECT j.id, j.attempts, j.task_name FROM ganns.task_calls c
             JOIN procrastinate.procrastinate_jobs j ON j.id = c.job_id AND j.status = 'todo'
             WHERE c.expires_at < clock_timestamp() FOR UPDATE OF j SKIP LOCKED LOOP
        PERFORM procrastinate.procrastinate_cancel_job_v1(r.id, false, false);
        PERFORM ganns.task_complete(r.id, r.attempts, r.task_name, 'REVOKED', NULL, NULL,
                                    'TaskRevoked: expired before a worker was free', NULL, true, 86400);
    END LOOP;
    -- Members that were ended without us: cancelled by hand, or finished by another program.
    FOR r IN SELECT c.job_id, j.attempts, j.task_name, j.status FROM ganns.task_groups g
             JOIN ganns.task_calls c ON c.group_id = g.id
             JOIN procrastinate.procrastinate_jobs j ON j.id = c.job_id
             WHERE g.closed_at IS NULL AND g.quorum IS NOT NULL AND j.status NOT IN ('todo', 'doing')
               AND NOT EXISTS (SELECT FROM ganns.task_results s WHERE s.job_id = c.job_id)
               -- Not the earlier jobs of a chain whose next step is on its way already.
               AND NOT EXISTS (SELECT FROM ganns.task_calls later WHERE later.group_id = c.group_id
                               AND later.index = c.index AND later.job_id > c.job_id)
               AND NOT EXISTS (SELECT FROM ganns.task_groups inner_group WHERE inner_group.parent_id = c.group_id
                               AND inner_group.parent_index = c.index)
             FOR UPDATE OF j SKIP LOCKED LOOP
        PERFORM ganns.task_complete(r.job_id, r.attempts, r.task_name, 'REVOKED', NULL, NULL,
                                    format('TaskRevoked: its job was %s outside the task framework', r.status),
                                    NULL, true, 86400);
    END LOOP;
    PERFORM ganns.task_settle(g.id) FROM ganns.task_groups g
    WHERE g.closed_at IS NULL AND g.quorum IS NOT NULL
      AND (g.deadline_at <= clock_timestamp() OR g.quorum_at + make_interval(secs => g.grace_s) <= clock_timestamp());
    -- Jobs that were being fetched while their group was closed.
    PERFORM ganns.task_cancel_group(g.id) FROM ganns.task_groups g
    WHERE g.closed_at > clock_timestamp() - interval '1 minute' AND g.quorum IS NOT NULL;
    DELETE FROM procrastinate.procrastinate_workers w WHERE w.last_heartbeat < now() - make_interval(secs => _prune_s);
    DELETE FROM ganns.task_workers w
    WHERE w.registered_at < now() - interval '1 day'
      AND NOT EXISTS (SELECT FROM procrastinate.procrastinate_workers p WHERE p.id = w.worker_id);
    PERFORM ganns.task_forget(ARRAY(SELECT s.job_id FROM ganns.task_results s
                                    WHERE s.expires_at < now() AND s.job_id IS NOT NULL LIMIT 1000));
    DELETE FROM ganns.task_results s WHERE s.expires_at < now() AND s.job_id IS NULL;
END
$$;

CREATE FUNCTION ganns.task_forget(_job_ids bigint[]) RETURNS void
    LANGUAGE sql SET search_path = procrastinate, pg_temp
AS $$
    DELETE FROM ganns.task_results r WHERE r.job_id = ANY (_job_ids);
    DELETE FROM ganns.task_calls c WHERE c.job_id = ANY (_job_ids);
    DELETE FROM ganns.task_attempts a WHERE a.job_id = ANY (_job_ids);
    DELETE FROM procrastinate.procrastinate_jobs j WHERE j.id = ANY (_job_ids) AND j.status NOT IN ('todo', 'doing')
$$;

CREATE FUNCTION ganns.task_sweep(_keep_s double precision) RETURNS void
    LANGUAGE sql SET search_path = procrastinate, pg_temp
AS $$
    -- Now and then: finished jobs that left no result, or whose result is gone already.
    DELETE FROM ganns.task_calls c WHERE c.created_at < now() - make_interval(secs => _keep_s)
      AND NOT EXISTS (SELECT FROM procrastinate.procrastinate_jobs j
                      WHERE j.id = c.job_id AND j.status IN ('todo', 'doing'))
      AND NOT EXISTS (SELECT FROM ganns.task_results r WHERE r.job_id = c.job_id);
    DELETE FROM ganns.task_attempts a WHERE a.at < now() - make_interval(secs => _keep_s)
      AND NOT EXISTS (SELECT FROM procrastinate.procrastinate_jobs j
                      WHERE j.id = a.job_id AND j.status IN ('todo', 'doing'));
    DELETE FROM procrastinate.procrastinate_jobs j
    USING (SELECT e.job_id FROM procrastinate.procrastinate_events e GROUP BY e.job_id
           HAVING max(e.at) < now() - make_interval(secs => _keep_s) LIMIT 1000) AS old
    WHERE j.id = old.job_id AND j.status NOT IN ('todo', 'doing')
      AND NOT EXISTS (SELECT FROM ganns.task_results r WHERE r.job_id = j.id);
    DELETE FROM ganns.task_groups g WHERE g.created_at < now() - make_interval(secs => _keep_s)
      AND NOT EXISTS (SELECT FROM ganns.task_calls c WHERE c.group_id = g.id)
      AND NOT EXISTS (SELECT FROM ganns.task_groups inside WHERE inside.parent_id = g.id)
$$;
