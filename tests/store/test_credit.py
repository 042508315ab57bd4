"""Credit by the server's clock: a worker's own words count for nothing, and a certificate notices each change."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from benchmarks.lesson import Lesson
from ganns.cli.app import app
from ganns.config import StopConfig
from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.errors import ConfigError, DatabaseError, ExportError, RunError
from ganns.export.certificate import read_digest
from ganns.store import credit, results
from ganns.store.credit import Selection, canonical, find_person, issue, list_people, recompute
from ganns.utils.lms import System, grades
from tests.support.fakes import tiny
from tests.support.helpers import wait_until

ALL = Selection()
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.fixture
def lesson(conn: Connection) -> Lesson:
    """A run of four rounds with three workers, in the ledger."""
    one = Lesson(conn, num_workers=3, units=4, spares=1)
    one.past(4, samples=0, evaluate_every=99)
    return one


@pytest.fixture
def ganns(database: Address, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command on the test's database."""
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)

    def run(*words: str, fails: bool = False) -> Result:
        result = CliRunner().invoke(app, list(words), catch_exceptions=fails)
        assert fails or result.exit_code == 0, result.output
        return result

    return run


def one_row(conn: Connection, statement: str, *values: object) -> tuple[Any, ...]:
    row = conn.execute(statement, values).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return row


# ------------------------------------------------------------------------------------------------ the server's clock


def test_a_round_is_credited_with_the_servers_times_and_with_what_its_gradients_did(
    coordinate: Any, join: Any, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[float] = []

    def boasting(conn: Any, job: Any, attempt: Any, worker: Any, metrics: Any, timings: Any) -> str:
        said.append(1e6)
        return real(conn, job, attempt, worker, metrics, dict.fromkeys(timings, 1e6))

    real = results.submit
    monkeypatch.setattr(results, "submit", boasting)
    begun = datetime.now(UTC) - timedelta(minutes=1)
    coordinator, worker = coordinate(tiny(stop=StopConfig(rounds=3))), join("ada")
    wait_until(lambda: coordinator.done or (worker.work() and False), 60)
    coordinator.join()
    assert len(said) >= 6  # the worker did claim to have computed for days
    rows = conn.execute(
        "SELECT round, claimed_at, submitted_at, at, cosine_d, cosine_g, share_d, share_g FROM ganns.ledger"
    ).fetchall()
    assert len(rows) == 6
    for row in rows:
        assert begun < row[1] <= row[2] <= row[3]
        assert all(-1 <= cosine <= 1 for cosine in row[4:6])
    for column in (6, 7):  # with the mean, the shares of a round are the whole step
        for number in range(3):
            assert sum(row[column] for row in rows if row[0] == number) == pytest.approx(1, abs=1e-4)
    (person,) = list_people(conn, ALL)
    took_s = sum((row[2] - row[1]).total_seconds() for row in rows)
    assert 0 < person.total("compute_s") <= took_s + 1e-3
    assert (person.person, person.total("units"), person.total("images")) == ("ada", 6, 48)
    assert person.uptime_s > 0


def ledger_row(conn: Connection, run: int, unit: int, worker: int, took_s: float, *, accepted: bool = True) -> None:
    """Write a line of round 0, whose result was there after `took_s` seconds."""
    conn.execute(
        "INSERT INTO ganns.ledger (run_id, round, unit, job_id, attempt, worker_id, epoch, start, images, seconds,"
        " accepted, claimed_at, submitted_at) VALUES (%s, 0, %s, %s, 1, %s, 0, 0, 64, 1, %s, now(),"
        " now() + make_interval(secs => %s))",
        (run, unit, 10_000 + unit, worker, accepted, took_s),
    )


def test_a_worker_that_sleeps_over_a_unit_is_credited_with_ten_times_the_usual_time(conn: Connection) -> None:
    one = Lesson(conn, num_workers=3, units=3)
    conn.execute(
        "INSERT INTO ganns.rounds (run_id, round, weights_version, quorum, closed_at)"
        " VALUES (%s, 0, 0, 3, now() + interval '15 s')",
        (one.run,),
    )
    for unit, took_s in enumerate((2.0, 2.0, 36_000.0)):
        ledger_row(conn, one.run, unit, one.workers[unit], took_s)
    ledger_row(conn, one.run, 3, one.workers[0], 500.0, accepted=False)  # 485 s of it after the end of its round
    found = {person.person: person.total("compute_s") for person in list_people(conn, ALL)}
    # The first 2 s of anna's late unit count for the one before, whose result was on its way.
    assert found == pytest.approx({"anna": 2 + 13, "ben": 2, "chloe": 20}, abs=1)


def test_a_late_result_after_its_round_has_the_servers_seconds(conn: Connection, lesson: Lesson) -> None:
    """The function that workers call writes such a line itself, without the claim."""
    conn.execute("DELETE FROM ganns.ledger WHERE worker_id = %s", (lesson.workers[0],))  # no second is that of another
    conn.execute(
        "INSERT INTO ganns.ledger (run_id, round, unit, job_id, attempt, worker_id, epoch, start, images, seconds,"
        " accepted, submitted_at) SELECT %s, 0, 99, 99, 1, %s, 0, 0, 64, 0.2, false, closed_at FROM ganns.rounds"
        " WHERE run_id = %s AND round = 0",
        (lesson.run, lesson.workers[0], lesson.run),
    )
    found = {one.person: one.total("compute_s") for one in list_people(conn, ALL)}["anna"]
    assert found == pytest.approx(0.2, abs=1e-3)


def test_uptime_counts_hours_once_and_not_while_the_lid_was_closed(conn: Connection) -> None:
    def beat(worker: int, ago_s: float) -> None:
        conn.execute(
            "UPDATE procrastinate.procrastinate_workers SET last_heartbeat = now() - make_interval(secs => %s)"
            " WHERE id = %s",
            (ago_s, worker),
        )

    def join(name: str, ago_s: float) -> int:
        row = one_row(
            conn,
            "INSERT INTO procrastinate.procrastinate_workers (last_heartbeat)"
            " VALUES (now() - make_interval(secs => %s)) RETURNING id",
            ago_s,
        )
        conn.execute("INSERT INTO ganns.workers (id, name) VALUES (%s, %s)", (row[0], name))
        conn.execute(  # the trigger takes the clock's time; this test plays an hour
            "UPDATE ganns.presence SET since = now() - make_interval(secs => %s) WHERE worker_id = %s",
            (ago_s, row[0]),
        )
        return int(row[0])

    def uptime() -> dict[str, float]:
        rows = conn.cursor(row_factory=psycopg.rows.dict_row).execute(
            credit_query("credit_uptime"), {"runs": None, "since": None, "until": None}
        )
        return {row["person"]: row["uptime_s"] for row in rows}

    first = join("ada", 3600)
    beat(first, 3560)  # 40 s of silence: a slow network
    beat(first, 3550)
    second = join("ada", 3580)  # another device of hers, 3580 to 3500 s ago
    beat(second, 3540)
    beat(second, 3500)
    conn.execute("DELETE FROM procrastinate.procrastinate_workers WHERE id = %s", (second,))  # it leaves
    assert uptime() == pytest.approx({"ada": 100}, abs=1)  # from 3600 to 3500, together
    beat(first, 0)  # it was asleep for an hour: a new beginning
    rows = conn.execute(
        "SELECT until IS NULL, extract(epoch FROM now() - until)::float8 FROM ganns.presence WHERE worker_id = %s"
        " ORDER BY since",
        (first,),
    ).fetchall()
    assert [row[0] for row in rows] == [False, True]
    assert rows[0][1] == pytest.approx(3550, abs=1)
    assert uptime() == pytest.approx({"ada": 100}, abs=1)


def credit_query(name: str) -> Any:
    from ganns.db.queries import query

    return query(name)


def test_windows_and_runs_choose_and_devices_are_one_person(conn: Connection, lesson: Lesson) -> None:
    everything = sum(one.total("images") for one in list_people(conn, ALL))
    assert everything == 4 * 4 * 64
    times = [row[0] for row in conn.execute("SELECT DISTINCT submitted_at FROM ganns.ledger ORDER BY 1")]
    early = list_people(conn, Selection(until=times[2]))
    late = list_people(conn, Selection(since=times[2]))
    assert sum(one.total("images") for one in early) == sum(one.total("images") for one in late) == everything / 2
    assert list_people(conn, Selection(runs=(lesson.run + 1,))) == []
    assert len(list_people(conn, ALL)) == 3
    conn.execute("INSERT INTO ganns.students (login, label) VALUES ('s1', 'Anna B.')")  # with a login, on two devices
    conn.execute("UPDATE ganns.workers SET login = 's1' WHERE name IN ('anna', 'ben')")
    found = find_person(conn, "s1", ALL)
    assert (found.person, found.login, found.workers) == ("Anna B.", "s1", ["anna", "ben"])
    assert {one.person for one in list_people(conn, ALL)} == {"Anna B.", "chloe"}
    with pytest.raises(RunError, match=r"'zoe' has no credit there; credited are: .*Anna B\."):
        find_person(conn, "zoe", ALL)


# ------------------------------------------------------------------------------------------------ certificates


def test_the_text_of_a_certificate_has_one_way_to_be_written() -> None:
    line = {"unit": 3, "run": 1, "accepted": True, "claimed_at": None, "submitted_at": NOON}
    text = canonical("Ada Ö", None, Selection((1, 2), until=NOON), NOON, [line])
    assert text == (
        b'{"format":"ganns-credit-1","issued_at":"2026-11-02T12:00:00.000000Z","lines":[{"accepted":true,"claimed_at":null,'
        b'"run":1,"submitted_at":"2026-11-02T12:00:00.000000Z","unit":3}],"login":null,"person":"Ada \\u00d6",'
        b'"runs":[1,2],"since":null,"until":"2026-11-02T12:00:00.000000Z"}'
    )
    other_zone = NOON.astimezone(datetime.fromisoformat("2026-01-01T00:00+09:00").tzinfo)
    backwards = dict(reversed(line.items()))
    assert canonical("Ada Ö", None, Selection((1, 2), until=other_zone), other_zone, [backwards]) == text


CHANGES = {
    "images": "images + 1",
    "unit": "unit + 50",
    "accepted": "false",
    "undone": "true",
    "worker_id": "NULL",
    "job_id": "job_id + 1",
    "claimed_at": "claimed_at - interval '1 us'",
    "submitted_at": "submitted_at + interval '1 us'",
    "start": "start + 1",
}


def test_a_certificate_notices_each_change_of_the_ledger(conn: Connection, lesson: Lesson) -> None:
    issued = issue(conn, find_person(conn, "anna", ALL), ALL)
    assert credit.find_certificate(conn, issued.digest) == issued
    assert recompute(conn, issued) == issued
    where = f"WHERE worker_id = {lesson.workers[0]} AND round = 1"
    for column, value in CHANGES.items():
        with conn.transaction(force_rollback=True):
            assert conn.execute(f"UPDATE ganns.ledger SET {column} = {value} {where}").rowcount > 0  # type: ignore[arg-type]
            assert recompute(conn, issued).digest != issued.digest, column
    with conn.transaction(force_rollback=True):
        conn.execute(f"DELETE FROM ganns.ledger {where}")  # type: ignore[arg-type]
        assert recompute(conn, issued).num_lines < issued.num_lines
    lesson.play()  # later work changes nothing
    lesson.play()
    assert find_person(conn, "anna", ALL).total("units") > issued.num_lines - 1
    assert recompute(conn, issued) == issued
    assert issue(conn, find_person(conn, "anna", ALL), ALL).digest != issued.digest


def test_no_line_slips_in_behind_a_certificate(
    database: Address, conn: Connection, lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that wrote before the certificate, and commits after it, would change it: it is waited for."""
    monkeypatch.setattr(credit, "LOCK_WAIT", "100ms")
    person = find_person(conn, "anna", ALL)
    with connect(database) as other:
        with other.transaction():
            ledger_row(other, lesson.run, 77, lesson.workers[0], 1.0)
            with pytest.raises(DatabaseError, match="was locked for 100ms"):
                issue(conn, person, ALL)
        issued = issue(conn, person, ALL)
        assert issued.images == person.total("images") + 64
        assert recompute(conn, issued) == issued


# ------------------------------------------------------------------------------------------------ commands


def test_the_commands_show_export_certify_and_verify(
    conn: Connection, lesson: Lesson, ganns: Any, tmp_path: Path
) -> None:
    conn.execute("UPDATE ganns.workers SET name = '<b>=Ben</b>' WHERE name = 'ben'")
    table = ganns("credit").output
    assert "<b>=Ben</b>" in table
    assert "Without a login: known by a worker's name only" in table
    found = json.loads(ganns("credit", "--json").output)
    assert {one["person"] for one in found} == {"anna", "<b>=Ben</b>", "chloe"}
    assert sum(one["images"] for one in found) == 4 * 4 * 64
    assert all(one["compute_s"] > 0 and one["untimed"] == 0 for one in found)
    assert found[0]["runs"][0]["run"] == lesson.run
    assert ganns("credit", "--until", "2001-01-01", "--json").output.strip() == "[]"
    assert "No credit there yet" in ganns("credit", "--from", "2101-01-01T08:00").output
    units = json.loads(ganns("credit", "show", "anna", "--last", "3", "--json").output)
    assert len(units) == 3
    assert all(-1 <= one["cosine_g"] <= 1 for one in units if one["accepted"])
    assert "d_loss" in units[-1]["before"]
    assert "cosine G" in ganns("credit", "show", "anna", "--run", "latest").output

    conn.execute("UPDATE ganns.workers SET name = '張 $x$' WHERE name = 'chloe'")
    ganns("credit", "certificate", "張 $x$", "--out", str(tmp_path / "chloe.pdf"))  # the PDF's font has no such letter
    page, sheet = tmp_path / "ben.html", tmp_path / "ben.pdf"
    ganns("credit", "certificate", "<b>=Ben</b>", "--out", str(page))
    ganns("credit", "certificate", "<b>=Ben</b>", "--out", str(sheet), "--run", str(lesson.run))
    assert "<b>" not in page.read_text()
    assert sheet.read_bytes().startswith(b"%PDF")
    said = ganns("credit", "verify", str(page)).output
    assert "the ledger agrees: <b>=Ben</b>, all runs" in said
    assert "a PDF can say anything" in ganns("credit", "verify", str(sheet)).output
    assert "the ledger agrees" in ganns("credit", "verify", read_digest(page)).output

    text = page.read_text()
    changed = tmp_path / "changed.html"
    changed.write_text(text.replace("<dd>", "<dd>9", 1))
    with pytest.raises(RunError, match="is not the page that belongs to it"):
        ganns("credit", "verify", str(changed))
    changed.write_text(text.replace(read_digest(page), hashlib.sha256(b"").hexdigest()))
    with pytest.raises(RunError, match="has issued no certificate with the digest e3b0c44298fc"):
        ganns("credit", "verify", str(changed))
    changed.write_text("hello")
    with pytest.raises(ExportError, match="is no certificate of ours"):
        ganns("credit", "verify", str(changed))
    conn.execute("UPDATE ganns.ledger SET images = 65 WHERE worker_id = %s AND round = 0", (lesson.workers[1],))
    with pytest.raises(RunError, match=r"The ledger has changed since .* it was \d+ lines with .* and is \d+ with"):
        ganns("credit", "verify", str(page))


@pytest.mark.parametrize(
    ("words", "error", "answer"),
    [
        (["--from", "yesterday"], ConfigError, "--from 'yesterday' is no day and no time: write 2026-11-02"),
        (["--from", "0001-01-01"], ConfigError, "--from '0001-01-01' is no day and no time"),
        (["--until", "9999-12-31"], ConfigError, "--until '9999-12-31' is no day and no time"),
        (["--from", "2026-01-05", "--until", "2026-01-01"], ConfigError, "is not before --until '2026-01-01'"),
        (["--run", "nine"], RunError, "'nine' is not a run"),
        (["show", "zoe"], RunError, "'zoe' has no credit there; nobody has any yet"),
        (["certificate", "zoe", "--out", "zoe.docx"], ExportError, r"call it zoe\.html or zoe\.pdf"),
        (["verify", "0" * 64], RunError, "This database has issued no certificate with the digest 000000000000"),
    ],
)
def test_a_mistake_is_a_sentence(words: list[str], error: type[Exception], answer: str, ganns: Any) -> None:
    with pytest.raises(error, match=answer):
        ganns("credit", *words)


def test_a_day_is_whole_and_of_this_machines_zone(conn: Connection, ganns: Any) -> None:
    one = Lesson(conn, num_workers=1, units=1)
    one.past(1, samples=0, evaluate_every=99)
    conn.execute("UPDATE ganns.ledger SET submitted_at = %s", (datetime(2026, 11, 2, 23, 30).astimezone(),))
    assert "anna" in ganns("credit", "--from", "2026-11-02", "--until", "2026-11-02").output
    assert "anna" not in ganns("credit", "--until", "2026-11-01").output
    assert "anna" not in ganns("credit", "--until", "2026-11-02T23:00").output


# ------------------------------------------------------------------------------------------------ CSV


@pytest.fixture
def rows() -> list[tuple[str, dict[str, object]]]:
    return [("ada", {"units": 3}), ("ben@school.example", {"units": 2}), ('=HYPERLINK("http://evil")', {"units": 1})]


def test_a_download_of_submissions_names_people_by_the_systems_numbers() -> None:
    rows, numbers = [("Ada", {"Exercise 1": 100.0}), ("Ben", {"Exercise 1": 50.0})], {"Ada": "4711", "Ben": ""}
    assert grades(System.MOODLE, rows, numbers).splitlines() == [
        "Identifier,Full name,Exercise 1",
        "Participant 4711,Ada,100.0",
        ",Ben,50.0",
    ]
    assert grades(System.CANVAS, rows, numbers).splitlines()[1:] == ["Ada,4711,,,,100.0", "Ben,,,,,50.0"]


def test_moodle_finds_people_by_name_or_mail(rows: Any) -> None:
    found = list(csv.DictReader(io.StringIO(grades(System.MOODLE, rows))))
    assert found[0] == {"Username": "ada", "Email address": "", "units": "3"}
    assert found[1] == {"Username": "", "Email address": "ben@school.example", "units": "2"}
    assert found[2]["Username"] == '\'=HYPERLINK("http://evil")'  # a spreadsheet shows it, and computes nothing


def test_canvas_has_its_five_columns_first(rows: Any) -> None:
    head, first, *_ = csv.reader(io.StringIO(grades(System.CANVAS, rows)))
    assert head == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "units"]
    assert first == ["ada", "", "", "ada", "", "3"]


def test_the_command_prints_it(lesson: Lesson, ganns: Any) -> None:
    for system in System:
        found = list(csv.DictReader(io.StringIO(ganns("credit", "--csv", system.value).output)))
        assert len(found) == 3
        assert sum(int(one["GANNs images"]) for one in found) == 4 * 4 * 64
        assert float(found[0]["GANNs uptime minutes"]) >= 0
