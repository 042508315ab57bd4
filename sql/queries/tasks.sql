-- The task framework: queries for workers, for callers, and for the rescue.

-- tasks_apply --
-- Enqueue a plan, in the caller's transaction; return the group's number and its jobs in order
SELECT group_id, job_ids FROM ganns.task_apply(%(plan)s::jsonb);

-- tasks_fetch --
-- The next job for a worker, or the seconds until there may be one; its arguments as text, which the worker may refuse
SELECT id, status, task_name, priority, lock, queueing_lock, args::text AS args, scheduled_at, queue_name, attempts, worker_id,
       retries, group_id, wait_s
FROM ganns_api.task_fetch(%(queues)s::varchar[], %(worker_id)s::bigint);

-- tasks_finish --
-- End a job, store its result and start the next step in one transaction, fenced on (job, attempt)
SELECT ganns_api.task_finish(%(job_id)s::bigint, %(attempt)s::integer, %(status)s, %(delete)s, %(state)s,
                             %(value)s::jsonb, %(data)s::bytea, %(error)s, %(traceback)s, %(keep)s,
                             %(keep_s)s::float8) AS finished;

-- tasks_retry --
-- Queue a job again, after a delay by the server's clock
SELECT ganns_api.task_retry(%(job_id)s::bigint, %(attempt)s::integer, %(delay_s)s::float8, %(at)s::timestamptz,
                            %(counts)s, %(traceback)s, %(priority)s::integer, %(queue)s::varchar,
                            %(lock)s::varchar) AS retried;

-- tasks_register --
-- Store a worker's abilities, and its tasks' settings from their code
SELECT ganns_api.task_register(%(worker_id)s::bigint, %(name)s, %(abilities)s::text[], %(memory_mb)s::integer,
                               %(tasks)s::text[], %(rules)s::jsonb),
       ganns_api.task_prepares(%(worker_id)s::bigint, %(prepares)s::jsonb);

-- tasks_to_prepare --
-- The task and the argument that a worker should prepare for, because a job waits
SELECT task_name, args FROM ganns_api.task_to_prepare(%(worker_id)s::bigint, %(queues)s::varchar[]);

-- tasks_prepare --
-- Say how far a worker's preparation is; without a text it may take these jobs
SELECT ganns_api.task_prepare(%(worker_id)s::bigint, %(task_name)s, %(args)s::jsonb, %(text)s);

-- tasks_beat --
-- Record a worker's heartbeat, and queue the jobs again that it does not know; tell whether the rescue is vacant
SELECT ganns_api.task_beat(%(worker_id)s::bigint, %(held)s::bigint[]) AS rescue_is_vacant;

-- tasks_worker_ended --
-- End or queue again the jobs of a worker whose process has ended
SELECT job_id, attempt, fate FROM ganns_api.task_worker_ended(%(worker_id)s::bigint, %(max_deaths)s::integer);

-- tasks_aborts --
-- A worker's running jobs that were revoked, and whether to kill its process
SELECT id, terminate FROM ganns_api.task_aborts(%(worker_id)s::bigint);

-- tasks_blob --
-- The raw bytes that a job returned
SELECT ganns_api.task_blob(%(job_id)s::bigint) AS data;

-- tasks_states --
-- The state of jobs: from the result if there is one, else from the job, else unknown
SELECT wanted.job_id,
       CASE WHEN r.state IS NOT NULL THEN r.state
            WHEN j.status = 'todo' THEN CASE WHEN j.attempts > 0 THEN 'RETRY' ELSE 'PENDING' END
            WHEN j.status = 'doing' THEN 'STARTED'
            WHEN j.status = 'succeeded' THEN 'SUCCESS'
            WHEN j.status = 'failed' THEN 'FAILURE'
            WHEN j.status IN ('cancelled', 'aborted') THEN 'REVOKED'
            ELSE 'PENDING' END AS state,
       c.group_id
FROM unnest(%(job_ids)s::bigint[]) WITH ORDINALITY AS wanted(job_id, n)
LEFT JOIN ganns.task_results r ON r.job_id = wanted.job_id
LEFT JOIN procrastinate.procrastinate_jobs j ON j.id = wanted.job_id
LEFT JOIN ganns.task_calls c ON c.job_id = wanted.job_id
ORDER BY wanted.n;

-- tasks_result --
-- One job's result
SELECT state, value, data, error, traceback FROM ganns.task_results WHERE job_id = %(job_id)s;

-- tasks_member_result --
-- One member's result by its place in the group: the last job of a chain or chord has no number before it is enqueued
SELECT state, value, data, error, traceback FROM ganns.task_results
WHERE group_id = %(group_id)s AND index = %(index)s::integer;

-- tasks_last_traceback --
-- The reason why a job is tried again
SELECT traceback FROM ganns.task_attempts WHERE job_id = %(job_id)s AND traceback IS NOT NULL
ORDER BY attempt DESC LIMIT 1;

-- tasks_group_results --
-- A group's results that the caller does not know yet, in the order of arrival
SELECT job_id, index, state, value, data, error, traceback FROM ganns.task_results
WHERE group_id = %(group_id)s AND NOT index = ANY(%(known)s::integer[]) ORDER BY finished_at, index;

-- tasks_group_jobs --
-- Every job of some groups and of the groups inside them
WITH RECURSIVE tree(id) AS (
    SELECT unnest(%(group_ids)s::bigint[])
    UNION
    SELECT g.id FROM ganns.task_groups g JOIN tree ON g.parent_id = tree.id
)
SELECT c.job_id FROM tree JOIN ganns.task_calls c ON c.group_id = tree.id ORDER BY c.job_id;

-- tasks_delete_groups --
-- Delete some groups and the groups inside them
WITH RECURSIVE tree(id) AS (
    SELECT unnest(%(group_ids)s::bigint[])
    UNION
    SELECT g.id FROM ganns.task_groups g JOIN tree ON g.parent_id = tree.id
), results AS (
    DELETE FROM ganns.task_results r USING tree WHERE r.group_id = tree.id
)
DELETE FROM ganns.task_groups g USING tree WHERE g.id = tree.id;

-- tasks_revoke --
-- Cancel queued jobs and stop running ones, in one statement; return their number
SELECT ganns.task_revoke(%(job_ids)s::bigint[], %(terminate)s) AS num_revoked;

-- tasks_revoke_unlocked --
-- The same, without waiting for a lock; return the number of jobs that are locked, and stay as they are
SELECT ganns.revoke_unlocked(%(job_ids)s::bigint[]) AS num_locked;

-- tasks_run_again --
-- Queue jobs again that failed or were revoked; the reason for each that stays as it is
SELECT wanted.job_id, ganns.task_run_again(wanted.job_id) AS why_not
FROM unnest(%(job_ids)s::bigint[]) WITH ORDINALITY AS wanted(job_id, n) ORDER BY wanted.n;

-- tasks_forget --
-- Delete results, and their finished jobs
SELECT ganns.task_forget(%(job_ids)s::bigint[]);

-- tasks_lease --
-- Take or keep the rescue's lease; return the generation, or null
SELECT ganns.task_lease(%(name)s, %(holder)s, %(generation)s::bigint, %(lease_s)s::float8) AS generation;

-- tasks_rescue --
-- Queue the jobs of dead workers again, or end them
SELECT job_id, attempt, fate FROM ganns.task_rescue(%(silent_s)s::float8, %(max_deaths)s::integer);

-- tasks_upkeep --
-- Enforce deadlines and expiry; remove workers that are gone, and remains of closed groups
SELECT ganns.task_upkeep(%(prune_s)s::float8);

-- tasks_sweep --
-- Delete finished jobs without a result
SELECT ganns.task_sweep(%(keep_s)s::float8);

-- tasks_pause --
-- Pause a queue: workers take no more jobs from it
INSERT INTO ganns.task_pauses (queue_name) VALUES (%(queue)s) ON CONFLICT DO NOTHING;

-- tasks_resume --
-- Resume a queue: workers take jobs from it again
DELETE FROM ganns.task_pauses WHERE queue_name = %(queue)s;

-- tasks_wake_queue --
-- Wake waiting workers, so that they look for jobs
SELECT ganns.task_wake(0, %(queue)s);

-- tasks_drain --
-- Let a worker take no new jobs (or take jobs again), by its number or name
UPDATE ganns.task_workers SET draining = %(draining)s
WHERE worker_id::text = %(worker)s OR name = %(worker)s RETURNING worker_id;

-- tasks_active --
-- Running jobs
SELECT j.id AS job, j.task_name AS task, j.queue_name AS queue, j.attempts AS attempt, j.worker_id AS worker,
       coalesce(w.name, '') AS name, j.abort_requested AS revoked,
       extract(epoch FROM now() - (SELECT max(e.at) FROM procrastinate.procrastinate_events e
                                   WHERE e.job_id = j.id AND e.type = 'started'))::float8 AS running_s
FROM procrastinate.procrastinate_jobs j LEFT JOIN ganns.task_workers w ON w.worker_id = j.worker_id
WHERE j.status = 'doing' ORDER BY j.id;

-- tasks_queued --
-- Waiting jobs by queue and task
SELECT j.queue_name AS queue, j.task_name AS task, count(*) AS num,
       count(*) FILTER (WHERE j.scheduled_at > now()) AS num_later,
       EXISTS (SELECT FROM ganns.task_pauses p WHERE p.queue_name = j.queue_name) AS paused
FROM procrastinate.procrastinate_jobs j WHERE j.status = 'todo' GROUP BY 1, 2 ORDER BY 1, 2;

-- tasks_workers --
-- Workers with the age of their heartbeat
SELECT p.id AS worker, coalesce(w.name, '') AS name, coalesce(w.abilities, '{}') AS abilities,
       coalesce(w.memory_mb, 0) AS memory_mb, coalesce(w.draining, false) AS draining,
       CASE WHEN isfinite(p.last_heartbeat) THEN extract(epoch FROM now() - p.last_heartbeat)::float8 END AS silent_s,
       (SELECT j.id FROM procrastinate.procrastinate_jobs j
        WHERE j.worker_id = p.id AND j.status = 'doing' ORDER BY j.id LIMIT 1) AS job
FROM procrastinate.procrastinate_workers p LEFT JOIN ganns.task_workers w ON w.worker_id = p.id ORDER BY p.id;

-- tasks_stats --
-- Jobs by task and state
SELECT task_name AS task,
       count(*) FILTER (WHERE status = 'todo') AS queued,
       count(*) FILTER (WHERE status = 'doing') AS running,
       count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
       count(*) FILTER (WHERE status = 'failed') AS failed,
       count(*) FILTER (WHERE status IN ('cancelled', 'aborted')) AS revoked,
       sum(greatest(attempts - 1, 0)) AS retries
FROM procrastinate.procrastinate_jobs GROUP BY 1 ORDER BY 1;
