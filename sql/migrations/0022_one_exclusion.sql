-- Who gets no more units of a run, and why: one table for all reasons; and who is a student. Before, those who broke a model were in
-- ganns.exclusions, and those whose results an audit found wrong in ganns.quarantines.

ALTER TABLE ganns.exclusions RENAME COLUMN worker TO name;  -- as in ganns.audits
ALTER TABLE ganns.exclusions
    ADD COLUMN kind text NOT NULL DEFAULT 'broke_model' CHECK (kind IN ('broke_model', 'wrong_results')),
    ADD COLUMN undone_at timestamptz;  -- an instructor took it back
ALTER TABLE ganns.exclusions ALTER COLUMN kind DROP DEFAULT;

INSERT INTO ganns.exclusions (run_id, login, name, kind, reason, at, undone_at)
SELECT run_id, login, name, 'wrong_results', reason, at, undone_at FROM ganns.quarantines
ON CONFLICT DO NOTHING;  -- left out for both: the older reason stays
DROP TABLE ganns.quarantines;

-- These refusals repeated the exclusions for each worker, and would stay when one is taken back.
DELETE FROM ganns.task_refusals x USING ganns.exclusions e, ganns.task_workers w
WHERE w.worker_id = x.worker_id AND w.login = e.login AND e.name IN ('', w.name)
  AND x.args = jsonb_build_object('run', e.run_id) AND x.reason = e.reason;

CREATE FUNCTION ganns.is_excluded(_args jsonb, _login name, _name text) RETURNS boolean
    LANGUAGE sql STABLE
AS $$
    -- Whether a login, or its worker of this name, gets no jobs with these arguments, since they are a run's
    SELECT EXISTS (SELECT FROM ganns.exclusions e
                   WHERE e.login = _login AND e.name IN ('', _name) AND e.undone_at IS NULL
                     AND _args @> jsonb_build_object('run', e.run_id))
$$;

-- The functions that give jobs out, or ask who could take one, as the migrations before have left them: those that looked
-- at ganns.quarantines look at the one table now, and those that looked at the refusals alone at both.
DO $do$
DECLARE
    e record;
    _before text;
BEGIN
    FOR e IN SELECT * FROM (VALUES
        ('ganns_api.task_fetch(character varying[], bigint)', 'ganns.quarantines q', 'ganns.exclusions q'),
        ('ganns_api.claim(bigint, integer, bigint)',
         'ganns.is_quarantined(u.run_id,', 'ganns.is_excluded(jsonb_build_object(''run'', u.run_id),'),
        ('ganns_api.task_to_prepare(bigint, character varying[])',
         'ORDER BY j.id LIMIT 1', 'AND NOT ganns.is_excluded(j.args, w.login, w.name)
    ORDER BY j.id LIMIT 1'),
        ('ganns.another_login(bigint, name)',
         'AND coalesce(r.requires <@', 'AND NOT ganns.is_excluded(j.args, w.login, w.name)
          AND coalesce(r.requires <@')
    ) AS edits(function, line, instead) LOOP
        _before := pg_get_functiondef(e.function::regprocedure);
        IF strpos(_before, e.line) = 0 THEN
            RAISE EXCEPTION '% has no line %', e.function, e.line;
        END IF;
        EXECUTE replace(_before, e.line, e.instead);
    END LOOP;
END
$do$;
DROP FUNCTION ganns.is_quarantined(bigint, name, text);

CREATE OR REPLACE FUNCTION ganns.student_logins() RETURNS TABLE (role oid, login name, label text, shared boolean)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- The logins that the warden watches: the students', and the one that a class shares. Never the coordinator's own, and
    -- none that may give the students' role to others: such a login owns this database or another one of the server.
    SELECT r.oid, r.rolname, coalesce(s.label, ''), r.rolname = 'ganns_class'
    FROM pg_roles r LEFT JOIN ganns.students s ON s.login = r.rolname
    WHERE r.rolcanlogin AND NOT r.rolsuper AND r.rolname <> session_user
      AND r.oid <> (SELECT d.datdba FROM pg_database d WHERE d.datname = current_database())
      AND (s.login IS NOT NULL OR r.rolname = 'ganns_class'
           OR (SELECT count(*) > 0 AND NOT bool_or(m.admin_option)
               FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
               WHERE m.member = r.oid AND g.rolname = 'ganns_student'))
$$;
