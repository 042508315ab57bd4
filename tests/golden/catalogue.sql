-- The schema as PostgreSQL's catalogue has it, for tests/golden/schema.txt (see tests/db/golden.py).
-- Not pg_dump, whose text changes with its version. Run with an empty search_path, so that every name is qualified.

-- schemas --
-- Our schemas
SELECT n.oid, n.nspname AS name, obj_description(n.oid, 'pg_namespace') AS comment,
       (SELECT array_agg(format('%%s: %%s', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
                                lower(a.privilege_type)) ORDER BY a.grantee, a.privilege_type)
        FROM aclexplode(n.nspacl) a WHERE a.grantee <> n.nspowner) AS grants
FROM pg_namespace n WHERE n.nspname IN ('ganns', 'ganns_api') ORDER BY n.nspname;

-- relations --
-- Tables, views and free-standing sequences (an identity column's sequence belongs to its column)
SELECT c.oid, c.relname AS name, c.relkind::text AS kind, c.relpersistence::text AS persistence,
       coalesce(array_to_string(c.reloptions, ', '), '') AS options, obj_description(c.oid, 'pg_class') AS comment,
       (SELECT array_agg(format('%%s: %%s', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
                                lower(a.privilege_type)) ORDER BY a.grantee, a.privilege_type)
        FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner) AS grants
FROM pg_class c
WHERE c.relnamespace = %(schema)s AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('i', 'a') AND c.relkind = 'S')
ORDER BY c.relname;

-- columns --
-- A relation's columns; the storage where it is not the type's own
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS not_null,
       a.attidentity::text AS identity, a.attgenerated::text AS generated, pg_get_expr(d.adbin, d.adrelid) AS default,
       CASE WHEN a.attstorage <> t.typstorage THEN
           CASE a.attstorage WHEN 'e' THEN 'external' WHEN 'p' THEN 'plain' WHEN 'm' THEN 'main' ELSE 'extended' END
       END AS storage, col_description(a.attrelid, a.attnum) AS comment
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %(relation)s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;

-- constraints --
-- A relation's constraints. NOT NULL is the column's: only PostgreSQL 18 lists it here as well
SELECT conname AS name, pg_get_constraintdef(oid) AS definition
FROM pg_constraint WHERE conrelid = %(relation)s AND contype <> 'n' ORDER BY contype = 'p' DESC, conname;

-- indexes --
-- A relation's indexes that are not a constraint's
SELECT c.relname AS name, pg_get_indexdef(i.indexrelid) AS definition, obj_description(c.oid, 'pg_class') AS comment
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = %(relation)s AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
ORDER BY c.relname;

-- triggers --
-- A relation's triggers
SELECT tgname AS name, pg_get_triggerdef(oid) AS definition
FROM pg_trigger WHERE tgrelid = %(relation)s AND NOT tgisinternal ORDER BY tgname;

-- functions --
-- A schema's functions: how they are called, whose rights they have, who may call them, and a digest of the body
SELECT p.proname AS name, pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result,
       l.lanname::text AS language, p.provolatile::text AS volatility, p.prosecdef AS security_definer,
       coalesce(array_to_string(p.proconfig, '; '), '') AS settings, p.prokind::text AS kind,
       (SELECT coalesce(string_agg(CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, ', '
                                   ORDER BY a.grantee), 'its owner alone')
        FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee <> p.proowner) AS callers,
       left(encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex'), 12) AS body, obj_description(p.oid, 'pg_proc') AS comment
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.pronamespace = %(schema)s ORDER BY p.proname, arguments;

-- types --
-- A schema's own types: enums with their labels, composite types, domains
SELECT t.typname AS name, t.typtype::text AS kind,
       coalesce((SELECT string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder) FROM pg_enum e
                 WHERE e.enumtypid = t.oid),
                (SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
                 FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped),
                format_type(t.typbasetype, t.typtypmod)) AS definition
FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
WHERE t.typnamespace = %(schema)s AND (t.typtype IN ('e', 'd') OR c.relkind = 'c') ORDER BY t.typname;
