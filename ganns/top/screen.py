"""The view as an object that rich prints. A larger terminal shows more; 80 by 24 is enough for every part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from ganns.evaluation.ranking import DISTANCES, measure
from ganns.monitor.wording import ends_wording
from ganns.top.view import View
from ganns.top.words import UNITS, decimal, link_in_words, number, run_in_words, seconds, spark, worker_in_words
from ganns.utils.console import SafeConsole

WIDE = 120
"""With at least this many columns, workers and events stand beside the run, not below it."""
CURVES = (("loss D", "d_loss"), ("loss G", "g_loss"), ("D: real", "d_real"), ("D: fake", "d_fake"))
KEYS = "q: quit · n p: next, previous run"


def screen(view: View, width: int, height: int) -> RenderableType:
    """Return the whole view for a terminal with this many columns and lines."""
    run = view.run
    foot = Layout(_foot(view), size=len(_foot(view).wrap(SafeConsole(width=width), width)))
    root = Layout()
    if run is None:
        root.split_column(Layout(_nothing(view)), foot)
        return root
    wide = width >= WIDE
    inner = width // 2 - 2 if wide else width
    tall = max(1, min(8, (height - 20) // 5)) if wide else 2 if height >= 36 else 1
    head, now = _head(run), _rounds(run, inner)
    curves = _curves(view, inner, tall)
    top = [Layout(head, size=3), Layout(_titled("The last rounds", curves), size=1 + _num_lines(curves, inner))]
    top.append(Layout(now, size=_num_lines(now, inner)))
    spare = height - sum(one.size or 0 for one in (*top, foot))
    num_events = max(2, (height if wide else spare) // 4)
    people = Layout(_workers(view, (height if wide else spare) - num_events - 3))
    events = Layout(_titled("What happened", _events(view, num_events)), size=num_events + 1)
    if wide:
        left, right, body = Layout(), Layout(), Layout()
        left.split_column(*top, Layout(Text(" ")))
        right.split_column(people, events)
        body.split_row(left, Layout(Text(" "), size=2), right)
        root.split_column(body, foot)
    else:
        root.split_column(*top, people, events, foot)
    return root


def snapshot(view: View, width: int) -> RenderableType:
    """Return the view once, for a pipe: in full length, and without the events, which only a live screen collects."""
    if view.run is None:
        return Group(_nothing(view), *([_foot(view)] if view.trouble else []))
    curves = _titled("The last rounds", _curves(view, width, 1))
    return Group(_head(view.run), curves, _rounds(view.run, width), _workers(view, 1000))


def _nothing(view: View) -> RenderableType:
    if view.runs is None or (view.run is None and not view.gone and view.number is not None):
        return Text("Reading the database ...")
    if view.gone:
        known = ", ".join(str(one["run"]) for one in view.runs[:20])
        return Text(f"There is no run {view.number} in this database. Its runs: {known or 'none'}. See `ganns runs`.")
    return Text(
        "No run yet. Start one in another terminal:\n\n    ganns train experiment=demo\n\n"
        "Then let workers join with the line that it prints. The run will appear here."
    )


def _head(run: Mapping[str, Any]) -> RenderableType:
    """Return three lines: the run, its progress, and its speed."""
    state, style = run_in_words(run)
    ends = run["config"].get("stop") or {}
    rounds = ends.get("rounds")
    left = Text.assemble((f"Run {run['run']} {run['name']}", "bold"), ": ", (state, style))
    right = Text(f"version {number(run['version'])}{f' of {number(rounds)}' if rounds else ''}")
    title = _line(left, right)
    bar = Table.grid(expand=True, padding=(0, 2, 0, 0))
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True)
    still = f", {seconds(run['left_s'])} left" if run["state"] == "open" and run["left_s"] is not None else ""
    if run["state"] != "open" or ends_wording(ends):
        bar.add_row(ProgressBar(total=1.0, completed=run["done"]), f"{100 * run['done']:.0f} %{still}")
    else:
        bar.add_row("no end is set", "")
    epochs = f" ({run['images'] / run['num_images']:.1f} epochs)" if run["num_images"] else ""
    figures = f"{number(run['images'])} images{epochs} · {number(run['images_per_s'])} images/s"
    workers = f"{run['workers_alive']} worker{'' if run['workers_alive'] == 1 else 's'}"
    return Group(title, bar, _line(Text(f"{figures} · {number(run['rounds_per_min'])} rounds/min"), Text(workers)))


def _curves(view: View, width: int, height: int) -> RenderableType:
    """Return the losses, D's outputs, and the distance: the last number and a curve of each."""
    table = Table.grid(padding=(0, 1, 0, 0))
    room = (width - 2) // 2 - 16  # two curves in a row, each with its name and its number
    cells = []
    for name, key in CURVES:
        values = view.history.get(key, [])
        bounds = (0.0, 1.0) if key in ("d_real", "d_fake") else (None, None)
        cells.append(_curve(name, values, spark(values, room, height, *bounds)))
    name = measure(view.evaluations) or DISTANCES[0]
    distances = [one.get(name) for one in view.evaluations]
    cells.append(_curve(name, distances, spark(distances, room, height)))
    run = view.run or {}
    best = next((decimal(value) for one in DISTANCES if (value := run.get(f"best_{one}")) is not None), None)
    found = f"best {best} at version {run['best_version']}" if best is not None else "not evaluated yet"
    cells.append([Text(""), Text(""), Text(found, style="green" if best is not None else "dim")])
    for left, right in ((cells[0], cells[2]), (cells[1], cells[3]), (cells[4], cells[5])):
        table.add_row(*left, *right)
        if height > 1:
            table.add_row()
    table.columns[2].min_width = room
    return table


def _curve(name: str, values: list[Any], lines: list[str]) -> list[Text]:
    last = next((value for value in reversed(values) if value is not None), None)
    return [Text(name), Text(decimal(last).rjust(6), style="bold"), Text("\n".join(lines), style="cyan", no_wrap=True)]


def _rounds(run: Mapping[str, Any], width: int) -> RenderableType:
    """Return the open rounds, or the last one if none is open, with a letter for each unit."""
    shown = [one for one in run["rounds"] if one["open"]] or run["rounds"][-1:]
    if not shown:
        return Group(_rule("The open round"), Text("No round was opened yet.", style="dim"))
    parts: list[RenderableType] = []
    found: Counter[str] = Counter()
    for one in shown:
        states = [unit["state"] for unit in one["units"]]
        found.update(states)
        num = sum(state in ("submitted", "accepted") for state in states)
        clock = f"open for {seconds(one['age_s'])}" if one["open"] else f"closed after {seconds(one['age_s'])}"
        if one["open"] and one.get("deadline_s") is not None:
            clock += f", deadline in {seconds(max(0.0, one['deadline_s']))}"
        parts.append(_rule(f"Round {one['round']}: {num} of {one['quorum']} results, {clock}"))
        gap = " " if 2 * len(states) <= width else ""
        parts.append(Text(gap).join(Text(*UNITS.get(state, ("?", ""))) for state in states))
    legend = [f"{UNITS[state][0]} {state} {found[state]}" for state in UNITS if found[state]]
    return Group(*parts, Text("   ".join(legend), style="dim"))


def _workers(view: View, room: int) -> RenderableType:
    """Return the workers, most images first, in at most `room` lines."""
    people = sorted(view.people or [], key=lambda one: not one["alive"])
    if not people:
        how = Text("No worker yet. A worker joins with the line that `ganns train` printed.", style="dim")
        return Group(_rule("Workers"), how)
    table = Table(box=None, expand=True, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("name", no_wrap=True, ratio=1, min_width=8)
    for title in ("images", "streak", "images/s", "Mbit/s ↑ ↓"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("device", no_wrap=True, max_width=16)
    table.add_column("does", no_wrap=True, min_width=9)
    run = view.run or {"run": 0, "rounds": []}
    units = {unit["worker"]: unit["unit"] for one in run["rounds"] for unit in one["units"] if _is_computed(one, unit)}
    fits = len(people) <= room
    for one in people if fits else people[: max(0, room - 1)]:
        does, style = worker_in_words(one, run["run"], units.get(one["name"]))
        machine = one["machine"]
        table.add_row(
            *(Text(one["name"], style="bold" if one["alive"] else "dim"), number(one["images"]), str(one["streak"])),
            *(number(one["speed"] or one["images_per_s"]), link_in_words(one)),
            Text(str(machine.get("gpu") or machine.get("device") or "–")),  # a string would be markup
            Text(does, style=style),
        )
    num = len(people) - max(0, room - 1)
    rest = [] if fits else [Text(f"and {num} more", style="dim")]
    worth = run.get("machines")  # see `ganns.monitor.snapshot.worth`
    title = "Workers" if worth is None else f"Workers, worth {worth:.1f} machines"
    return Group(_rule(title), table, *rest)


def _is_computed(one: Mapping[str, Any], unit: Mapping[str, Any]) -> bool:
    return bool(one["open"] and unit["state"] == "computing")


def _events(view: View, num: int) -> RenderableType:
    lines = list(view.events)[-num:]
    if not lines:
        return Text("Nothing since `ganns top` was started.", style="dim")
    return Text("\n".join(reversed(lines)), no_wrap=True, overflow="ellipsis")


def _foot(view: View) -> Text:
    return Text(view.trouble, style="bold yellow") if view.trouble else Text(KEYS, style="dim")


def _line(left: Text, right: Text) -> RenderableType:
    grid = Table.grid(expand=True, padding=(0, 1, 0, 0))
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(left, right)
    return grid


def _rule(title: str) -> Rule:
    return Rule(Text(title, style="bold"), align="left", style="dim")


def _titled(title: str, content: RenderableType) -> RenderableType:
    return Group(_rule(title), content)


def _num_lines(content: RenderableType, width: int) -> int:
    console = SafeConsole(width=width)
    return len(console.render_lines(content, console.options, pad=False))
