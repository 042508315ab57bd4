"""`ganns doctor`: what is wrong here, and what to type."""

from __future__ import annotations

import typer

COLOURS = {"ok": typer.colors.GREEN, "warning": typer.colors.YELLOW, "problem": typer.colors.RED}


def doctor() -> None:
    """Look at what usually goes wrong, and say what to type: program, machine, network, database, images.

    Changes nothing and shows no password. Exits with 1 if there is a problem.
    """
    from ganns.doctor import PROBLEM, WARNING, examine

    states = []
    for finding in examine():  # shown one by one: loading PyTorch and asking a far server take seconds
        states.append(finding.state)
        typer.secho(f"{finding.state:<8}", fg=COLOURS[finding.state], nl=False)
        typer.echo(f" {finding.subject:<14} {finding.said}")
        if finding.todo:
            typer.echo(f"{'':<24}-> {finding.todo}")
    problems, warnings = states.count(PROBLEM), states.count(WARNING)
    typer.echo(f"\n{problems} problem(s), {warnings} warning(s), {len(states)} looked at.")
    raise typer.Exit(1 if problems else 0)
