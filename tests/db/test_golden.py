"""The schema that the migrations make is the one in tests/golden/schema.txt, on every version of PostgreSQL."""

from __future__ import annotations

from ganns.db.connect import Connection
from tests.db import golden


def test_the_schema_is_the_golden_one(conn: Connection) -> None:
    assert golden.dump(conn).splitlines() == golden.FILE.read_text(encoding="utf-8").splitlines(), (
        "The schema changed. If a new migration means it: `python -m tests.db.golden`, and look at the difference."
    )


FUNCTION = "CREATE OR REPLACE FUNCTION ganns.probe(_x integer) RETURNS integer LANGUAGE sql"
CHANGES = {
    "CREATE TABLE ganns.probe (a integer NOT NULL, b bytea)": "\ntable ganns.probe\n",
    "ALTER TABLE ganns.probe ADD COLUMN note text DEFAULT 'x'": "note                 text, default 'x'::text",
    "ALTER TABLE ganns.probe ALTER COLUMN a TYPE bigint": "a                    bigint, not null",
    "ALTER TABLE ganns.probe ALTER COLUMN a DROP NOT NULL": "a                    bigint\n",
    "ALTER TABLE ganns.probe ALTER COLUMN b SET STORAGE MAIN": "b                    bytea, storage main",
    "ALTER TABLE ganns.probe SET (fillfactor = 50)": "table ganns.probe (fillfactor=50)",
    "ALTER TABLE ganns.probe SET UNLOGGED": "unlogged table ganns.probe",
    "ALTER TABLE ganns.probe ADD CHECK (a >= 0)": "constraint probe_a_check: CHECK ((a >= 0))",
    "CREATE INDEX ON ganns.probe (a)": "index probe_a_idx: CREATE INDEX",
    "CREATE TRIGGER t BEFORE TRUNCATE ON ganns.probe EXECUTE FUNCTION suppress_redundant_updates_trigger()": "trigger ",
    "COMMENT ON TABLE ganns.probe IS 'only a probe'": "  -- only a probe",
    "GRANT SELECT ON ganns.probe TO PUBLIC": "grant to PUBLIC: select",
    "CREATE VIEW ganns.seen AS SELECT a FROM ganns.probe": "view ganns.seen",
    "CREATE TYPE ganns.colour AS ENUM ('red', 'green')": "type ganns.colour (e): red, green",
    f"{FUNCTION} AS 'SELECT 1'": "function ganns.probe(_x integer)\n    returns integer\n    sql, volatile, security i",
    f"{FUNCTION} AS 'SELECT 2'": "",  # the body's digest is all that changes
    "ALTER FUNCTION ganns.probe SECURITY DEFINER": "sql, volatile, security definer\n",
    "ALTER FUNCTION ganns.probe SET search_path = pg_catalog": "security definer; search_path=pg_catalog\n",
    "GRANT EXECUTE ON FUNCTION ganns.probe TO PUBLIC": "called by: PUBLIC",
    "GRANT USAGE ON SCHEMA ganns TO PUBLIC": "grant to PUBLIC: usage",
}


def test_what_can_change_in_a_schema_changes_the_text(conn: Connection) -> None:
    """The dump is worth nothing if it overlooks a change."""
    before = golden.dump(conn)
    for statement, shown in CHANGES.items():
        conn.execute(statement)  # type: ignore[call-overload]
        after = golden.dump(conn)
        assert after != before, statement
        assert not shown or after.count(shown) > before.count(shown), statement
        before = after
