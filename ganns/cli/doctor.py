"""`ganns doctor`: find problems, and give the commands that solve them."""

from __future__ import annotations

import shutil
import sys
import textwrap

import typer

from ganns.utils.console import Json, plural, say, say_json

INDENT = 24
COLOURS = {"ok": typer.colors.GREEN, "warning": typer.colors.YELLOW, "problem": typer.colors.RED}


def doctor(as_json: Json = False) -> None:
    """Check for common problems, and show how to solve them: program, machine, network, database, images.

    Changes nothing and shows no password. Exits with 1 if there is a problem.
    """
    from ganns.doctor import PROBLEM, WARNING, examine

    if as_json:
        findings = [{"subject": one.subject, "state": one.state, "said": one.said, "do": one.todo} for one in examine()]
        say_json(findings)
        raise typer.Exit(1 if any(one["state"] == PROBLEM for one in findings) else 0)
    states = []
    for finding in examine():  # shown one by one: to load PyTorch and to ask a server takes seconds
        states.append(finding.state)
        typer.secho(f"{finding.state:<8}", fg=COLOURS[finding.state], nl=False)
        say(f" {finding.subject:<14} {_hanging(finding.said)}")
        if finding.todo:
            say(f"{'':<{INDENT}}{_hanging(f'-> {finding.todo}')}")
    problems, warnings = plural(states.count(PROBLEM), "problem"), plural(states.count(WARNING), "warning")
    say(f"\n{problems}, {warnings}, {plural(len(states), 'check')}.")
    raise typer.Exit(1 if PROBLEM in states else 0)


def _hanging(text: str) -> str:
    """Return `text` in lines with the same indent; in a pipe, as one line."""
    if not sys.stdout.isatty():
        return text
    width = max(40, shutil.get_terminal_size().columns - INDENT)
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return f"\n{'':<{INDENT}}".join(lines)
