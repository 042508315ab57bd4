"""`ganns credit`: each person's contribution, as a table, for a learning management system, or as a certificate."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganns.cli.places import user_path
from ganns.utils.console import Json, cells, say, say_json
from ganns.utils.lms import System

if TYPE_CHECKING:
    from ganns.db.connect import Connection
    from ganns.store.credit import Person, Selection

app = typer.Typer(help="Each person's contribution, and certificates of it.", invoke_without_command=True)

Runs = Annotated[list[str] | None, typer.Option("--run", help="Only this run: its number, or latest; repeatable.")]
Since = Annotated[str | None, typer.Option("--from", help="From this day or time on: 2026-11-02, 2026-11-02T14:00.")]
Until = Annotated[str | None, typer.Option("--until", help="To the end of this day, or to this time.")]
Name = Annotated[str, typer.Argument(help="The person, as `ganns credit` lists it.")]


@app.callback()
def credit(
    context: typer.Context,
    run: Runs = None,
    since: Since = None,
    until: Until = None,
    csv: Annotated[
        System | None, typer.Option("--csv", help="Print a CSV file with the columns of this system.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show each person's contribution by the server's clock: images, units, compute time, uptime."""
    if context.invoked_subcommand is not None:
        return
    from ganns.db.choose import coordinator_connection
    from ganns.store.credit import list_people

    with coordinator_connection() as conn:
        people = list_people(conn, _selection(conn, run, since, until))
    if csv is not None:
        from ganns.utils.lms import grades

        say(grades(csv, [(one.person, _columns(one)) for one in people]), nl=False)
    elif as_json:
        say_json([_plain(one) for one in people])
    else:
        _show(people)


def _show(people: list[Person]) -> None:
    from rich.table import Table

    from ganns.export.certificate import NAME_ONLY, hours
    from ganns.utils.console import plural, wide_console

    console = wide_console()
    if not people:
        console.print("No credit there yet. Widen --from and --until, or see `ganns runs`.", markup=False)
        return
    table = Table("person", "login", "images", "units", "extra effort", "computed for", "there for", "workers", "runs")
    for one in people:
        table.add_row(
            *cells(
                one.person,
                one.login or "-",
                f"{one.total('images'):,}",
                f"{one.total('units'):,}",
                f"{one.total('late'):,}",
                hours(one.total("compute_s")),
                hours(one.uptime_s),
                ", ".join(one.workers),
                ", ".join(str(run["run"]) for run in one.runs),
            )
        )
    console.print(table)
    if any(one.login is None for one in people):
        say(f"Without a login: {NAME_ONLY[0].lower()}{NAME_ONLY[1:]}")
    if untimed := sum(one.total("untimed") for one in people):
        say(f"{plural(untimed, 'unit')} from before the server recorded times: not in the compute time.")


@app.command()
def show(
    name: Name,
    run: Runs = None,
    last: Annotated[int, typer.Option("--last", min=1, max=1000, help="The number of units.")] = 10,
    as_json: Json = False,
) -> None:
    """Show what a person's gradients did: direction, share of the step, losses before and after."""
    from rich.table import Table

    from ganns.db.choose import coordinator_connection
    from ganns.store.credit import find_person, list_units
    from ganns.utils.console import wide_console

    with coordinator_connection() as conn:
        selection = _selection(conn, run, None, None)
        units = list_units(conn, find_person(conn, name, selection), selection, last)
    if as_json:
        say_json(units)
        return
    table = Table(
        "run", "round", "unit", "images", "cosine G", "cosine D", "share G", "share D", "loss G", "loss D", "worker"
    )
    for unit in units:
        outcome = "undone" if unit["undone"] else None if unit["accepted"] else "late"
        table.add_row(
            *cells(
                unit["run"],
                unit["round"],
                unit["unit"],
                unit["images"],
                *(outcome or _number(unit[f"cosine_{role}"], "+.2f") for role in ("g", "d")),
                *(_number(unit[f"share_{role}"], ".1%") for role in ("g", "d")),
                *(_change(unit, f"{role}_loss") for role in ("g", "d")),
                unit["worker"],
            )
        )
    wide_console().print(table)
    say("Losses: the class's mean before the step, and in the next round, on other images.")


@app.command()
def certificate(
    name: Name,
    out: Annotated[Path, typer.Option("--out", help="The file to write: .html or .pdf.", parser=user_path)],
    run: Runs = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Write a certificate of a person's credit, with a digest that `ganns credit verify` checks."""
    from ganns.db.choose import coordinator_connection
    from ganns.errors import ExportError
    from ganns.export.certificate import require_ending, write_certificate
    from ganns.store import credit

    require_ending(out)
    if out.exists():
        raise ExportError(f"{out} exists already, and is not overwritten: give another name.")
    with coordinator_connection() as conn:
        selection = _selection(conn, run, since, until)
        person = credit.find_person(conn, name, selection)
        issued = credit.issue(conn, person, selection)
        write_certificate(issued, credit.find_certified(conn, issued), out)
    say(f"{out}: {issued.images:,} images in {issued.num_lines:,} lines of the ledger")
    say(f"to check it, with this database: ganns credit verify {out}")


@app.command()
def verify(
    what: Annotated[str, typer.Argument(help="A certificate's file, or its digest of 64 letters.")],
) -> None:
    """Compare a certificate with the ledger; exit with 1 if they differ."""
    import re

    from ganns.db.choose import coordinator_connection
    from ganns.errors import RunError
    from ganns.export.certificate import facts, is_page_of, read_digest, window
    from ganns.store import credit

    page = None if re.fullmatch(r"[0-9a-f]{64}", what) else user_path(what)
    digest = what if page is None else read_digest(page)
    with coordinator_connection() as conn:
        issued = credit.find_certificate(conn, digest)
        if issued is None:
            raise RunError(
                f"This database has issued no certificate with the digest {digest[:12]}...: the file was made with "
                "another database, or its digest was changed."
            )
        now = credit.recompute(conn, issued)
        person = credit.find_certified(conn, issued)
    if now.digest != issued.digest:
        raise RunError(
            f"The ledger has changed since this certificate was issued: it was {issued.num_lines:,} lines with "
            f"{issued.images:,} images, and is {now.num_lines:,} with {now.images:,}. (A run was deleted or went back, "
            "or a row was changed.)"
        )
    same = None if page is None else is_page_of(page, issued, person)
    issued_at = credit.time_text(issued.issued_at)
    say(f"the ledger agrees: {issued.person}, {window(issued.selection)}, issued at {issued_at}")
    for label, value in facts(issued, person):
        say(f"  {label:<22} {value}")
    if same is False:
        raise RunError(
            f"The digest is right, but {page} is not the page that belongs to it: the numbers above are the ledger's. "
            "(Another release of the program may also have drawn the page in another way.)"
        )
    if page is not None and same is None:
        say("a PDF can say anything beside its digest: compare its name and numbers with these")


# The options ------------------------------------------------------------------------------------------------


def _selection(conn: Connection, runs: list[str] | None, since: str | None, until: str | None) -> Selection:
    from ganns.errors import ConfigError
    from ganns.store.credit import Selection
    from ganns.store.runs import find_run

    found = tuple(sorted({find_run(conn, one).id for one in runs})) if runs else None
    begin, end = _time(since, "--from"), _time(until, "--until", end=True)
    if begin is not None and end is not None and begin >= end:
        raise ConfigError(f"--from {since!r} is not before --until {until!r}: no work is between the two.")
    return Selection(found, begin, end)


def _time(text: str | None, option: str, *, end: bool = False) -> datetime | None:
    """Return a typed time, of this machine's zone where none is said; a day is its beginning, or its `end`."""
    from ganns.errors import ConfigError

    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        if end and len(text) <= 10:
            found += timedelta(days=1)
        return found.astimezone()
    except (ValueError, OverflowError):  # also a year that is too near to an end of the calendar
        raise ConfigError(f"{option} {text!r} is no day and no time: write 2026-11-02, or 2026-11-02T14:00.") from None


def _columns(person: Person) -> dict[str, object]:
    """Return the columns of a person in a CSV file."""
    return {
        "GANNs images": person.total("images"),
        "GANNs units": person.total("units"),
        "GANNs late units": person.total("late"),
        "GANNs compute minutes": round(person.total("compute_s") / 60, 1),
        "GANNs uptime minutes": round(person.uptime_s / 60, 1),
    }


def _plain(person: Person) -> dict[str, Any]:
    """Return a person as programs get it."""
    numbers = ("images", "units", "late", "compute_s", "untimed")
    return {
        "person": person.person,
        "login": person.login,
        **{name: person.total(name) for name in numbers},
        "uptime_s": person.uptime_s,
        "workers": person.workers,
        "runs": person.runs,
    }


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _change(unit: dict[str, Any], loss: str) -> str:
    before, after = (unit[key].get(loss) if isinstance(unit[key], dict) else None for key in ("before", "after"))
    numbers = [f"{one:.3f}" if isinstance(one, int | float) else "-" for one in (before, after)]
    return " -> ".join(numbers)
