"""The leaderboard of a run: the contribution of each person, and the connected workers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.monitor.rows import clean, numbers, plain
from ganns.queue.machine import FIGURES, figures_of
from ganns.utils.printable import printable

WINDOW = 30
"""Late results come for the last rounds only, because units are kept for 20 rounds: older credit does not change."""
ALIVE_S = 10.0
"""A worker sends a heartbeat every 3 s."""
OF_MACHINE = ("device", "gpu", "threads", "memory_mb", "system", "ganns", "torch")
"""Facts about a worker's machine that are shown. Its host name and its login are not."""

_UNKNOWN = dict.fromkeys(FIGURES)
Totals = dict[str, dict[str, float]]
_SUMS = ("images", "units", "late", "compute_s", "network_s", "all_images")


class Credit:
    """The contribution of each name to a run. An update reads the last rounds only."""

    def __init__(self, run_id: int) -> None:
        """Start empty."""
        self._run_id = run_id
        self._before: Totals = {}
        self._frozen = 0  # rounds before this one are in `_before`
        self._window: Sequence[Mapping[str, Any]] = []

    def look(self, conn: Connection, version: int) -> None:
        """Read the changes; `version` is the run's current version."""
        first = max(0, version - WINDOW)
        if first < self._frozen or first > self._frozen + WINDOW:
            rows = execute(conn, "watch_credit_before", run_id=self._run_id, before=first).fetchall()
            self._before, self._frozen = {row["name"]: {key: row[key] for key in _SUMS} for row in rows}, first
        self._window = execute(conn, "watch_credit", run_id=self._run_id, first=self._frozen).fetchall()

    def totals(self) -> Totals:
        """Return {name: {images, units, late, compute_s, network_s, all_images}}."""
        return add_up(self._before, self._window)

    def streaks(self) -> dict[str, int]:
        """Return for each name the number of rounds in a row, up to the last, with an accepted unit.

        Only the rounds of the window count, so a longer streak is shown as the length of the window.
        """
        return streaks(self._window)


def add_up(before: Totals, rows: Iterable[Mapping[str, Any]]) -> Totals:
    """Return the totals by name: `before` plus rows, each of one name and one round."""
    totals: Totals = {name: dict(sums) for name, sums in before.items()}
    for row in rows:
        sums = totals.setdefault(row["name"], dict.fromkeys(_SUMS, 0))
        for key in _SUMS:
            sums[key] += row[key] or 0
    return totals


def streaks(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return for each name the number of rounds in a row, up to the last closed one, with an accepted unit."""
    rounds: defaultdict[str, set[int]] = defaultdict(set)
    for row in rows:
        if row["units"]:
            rounds[row["name"]].add(row["round"])
    last = max((max(found) for found in rounds.values()), default=-1)
    return {name: _run_length(found, last) for name, found in rounds.items()}


def _run_length(rounds: set[int], last: int) -> int:
    length = 0
    while last - length in rounds:
        length += 1
    return length


def look_at_workers(conn: Connection) -> dict[str, dict[str, Any]]:
    """Return every worker that ever joined, by name: machine, figures, heartbeat, and the unit that it computes."""
    found = {}
    for row in execute(conn, "watch_workers"):
        silent_s = row["silent_s"]
        found[row["name"]] = {
            "worker": row["worker"],
            "machine": _machine(row["info"]),
            **_UNKNOWN,
            **figures_of(row["info"]),
            "alive": silent_s is not None and silent_s < ALIVE_S,
            "silent_s": None if silent_s is None else 0 if silent_s < ALIVE_S else round(silent_s, -1),
            "draining": row["draining"],
            "preparing": None if row["preparing"] is None else printable(row["preparing"], 80),
            "joined_at": row["registered_at"].timestamp(),
            "first_joined_at": row["first_joined_at"].timestamp(),
            "times_joined": row["times_joined"],
            "computes": None if row["unit"] is None else {key: row[key] for key in ("run", "round", "unit")},
        }
    return found


def leaderboard(workers: Mapping[str, Mapping[str, Any]], credit: Credit) -> list[dict[str, Any]]:
    """Return one entry a name, most images first: credit, streak, speed, link, machine.

    `speed` is images per second of computing in this run, `link_s` the mean number of seconds that a unit waited for
    the network. What the worker measured itself, in any run, has the names of `ganns.queue.machine.FIGURES`.
    """
    totals, runs = credit.totals(), credit.streaks()
    zeros = dict.fromkeys(_SUMS, 0.0)
    entries = []
    for name in {*totals, *workers}:
        sums = totals.get(name, zeros)
        num = sums["units"] + sums["late"]
        entries.append(
            {
                "name": name,
                "images": int(sums["images"]),
                "units": int(sums["units"]),
                "late": int(sums["late"]),
                "streak": runs.get(name, 0),
                "speed": round(sums["all_images"] / sums["compute_s"], 1) if sums["compute_s"] else None,
                "link_s": round(sums["network_s"] / num, 3) if num else None,
                **workers.get(name, {"alive": False, "machine": {}, "silent_s": None, "draining": False, **_UNKNOWN}),
            }
        )
    return sorted(entries, key=lambda entry: (-entry["images"], not entry["alive"], entry["name"]))


def look_at_person(conn: Connection, name: str, num: int = 200) -> dict[str, Any]:
    """Return one name's history, newest first.

    Returns:
        `units`: the last `num`; `runs`: the contribution to each run; `joined`: the times, with the machine.
    """
    return {
        "name": name,
        "units": [_unit(row) for row in execute(conn, "watch_person", name=name, num=num)],
        "runs": [plain(row) for row in execute(conn, "watch_person_runs", name=name, num=num)],
        "joined": [
            {"at": row["registered_at"].timestamp(), "machine": _machine(row["info"])}
            for row in execute(conn, "watch_registrations", name=name, num=num)
        ],
    }


def _unit(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a unit with the class's losses before and after its round's step, as `g_loss_before` and so on."""
    found = plain(row)
    for when in ("before", "after"):
        metrics = numbers(found.pop(when))
        found |= {f"{name}_{when}": metrics.get(name) for name in ("g_loss", "d_loss")}
    return found


def _machine(info: Any) -> dict[str, Any]:
    """Return the facts that are shown; a worker may have written anything, also what is no object."""
    found = info if isinstance(info, Mapping) else {}
    return {key: _fact(found[key]) for key in OF_MACHINE if key in found}


def _fact(value: Any) -> Any:
    return printable(value, 80) if isinstance(value, str) else clean(value) if isinstance(value, int | float) else None
