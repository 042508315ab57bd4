"""`ganns top`: what it draws from recorded messages; and the command itself, in a pipe and on a terminal."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from benchmarks.lesson import Lesson
from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.top.screen import _line, screen, snapshot
from ganns.top.view import View, joined
from ganns.top.words import event_in_words, run_in_words, seconds, spark, worker_in_words
from tests.support.helpers import ROOT, wait_until

SIZES = [(80, 24), (100, 30), (160, 48)]

UNITS = [
    {"unit": 0, "images": 64, "worker": "anna", "num_refused": 0, "state": "submitted", "seconds": 0.4},
    {"unit": 1, "images": 64, "worker": "ben", "num_refused": 0, "state": "computing", "seconds": 0.6},
    {"unit": 2, "images": 64, "worker": "", "num_refused": 1, "state": "refused", "seconds": None},
]
RUN: dict[str, Any] = {
    **{"type": "run", "run": 7, "name": "faces", "state": "open", "version": 61, "images": 31232, "num_images": 20000},
    **{
        "best_version": 40,
        "best_fid": 8.62,
        "best_swd": 86.2,
        "coordinated": True,
        "workers_alive": 2,
        "images_per_s": 530.1,
        "machines": 1.8,
    },
    **{"rounds_per_min": 66.7, "done": 0.12, "left_s": 243.0, "config": {"stop": {"rounds": 500}}},
    "rounds": [
        {"round": 60, "version": 60, "quorum": 2, "open": False, "age_s": 0.9, "deadline_s": None, "units": []},
        {"round": 61, "version": 61, "quorum": 2, "open": True, "age_s": 1.2, "deadline_s": 8.8, "units": UNITS},
    ],
}
ANNA = {
    **{"name": "anna", "images": 15000, "units": 240, "late": 1, "streak": 12, "speed": 145.3, "link_s": 0.05},
    **{"up_mbit": 9.83, "down_mbit": 48.2, "images_per_s": 140.0},
    **{"worker": 3, "machine": {"device": "cuda", "gpu": "NVIDIA T4"}, "alive": True, "silent_s": 0},
    **{"draining": False, "computes": None},
}
BEN = ANNA | {"name": "ben", "worker": 4, "machine": {"device": "cpu"}, "images": 16000}
CLOE = ANNA | {"name": "cloe", "worker": 5, "images": 99, "alive": False, "silent_s": 40, "machine": {}}
COLUMNS = {
    "round": list(range(60)),
    "d_loss": [1.4 - 0.01 * k for k in range(60)],
    "g_loss": [0.7 + 0.01 * k for k in range(60)],
    "d_real": [0.6] * 60,
    "d_fake": [0.4] * 59 + [None],
}
EVENTS = [
    {"event": "closed", "run": 7, "round": 60},
    {"event": "submitted", "run": 7, "round": 61, "unit": 0, "worker": 3},
    {"event": "refused", "run": 7, "round": 61, "unit": 2},
    {"event": "late", "run": 7, "round": 60, "unit": 1, "worker": 4},
]
RECORDED: list[dict[str, Any]] = [
    {"type": "runs", "runs": [{"run": 8, "state": "finished"}, {"run": 7, "state": "open"}]},
    {"type": "history", "run": 7, "whole": True, "columns": COLUMNS},
    {
        "type": "evaluations",
        "run": 7,
        "rows": [{"version": 20, "fid": 31.0, "swd": 300.0}, {"version": 40, "fid": 8.62, "swd": 86.2}],
    },
    RUN,
    {"type": "people", "run": 7, "people": [CLOE, BEN, ANNA]},
    {"type": "events", "run": 7, "events": EVENTS},
]


def viewed(*messages: dict[str, Any], chosen: int | None = None) -> View:
    view = View(chosen)
    for message in messages:
        view.take(json.dumps(message), at="12:34:56")
        view.turn_to(view.number)
    return view


def drawn(view: View, width: int, height: int) -> list[str]:
    """The lines on a terminal of this size."""
    console = Console(width=width, height=height, color_system=None)
    lines = console.render_lines(screen(view, width, height), console.options.update(height=height))
    return ["".join(segment.text for segment in line).rstrip() for line in lines]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_essentials_fit(width: int, height: int) -> None:
    lines = drawn(viewed(*RECORDED), width, height)
    assert len(lines) == height
    text = "\n".join(lines)
    for words in (
        *("Run 7 faces: training", "version 61 of 500", "12 %, 4 min 3 s left", "31,232 images (1.6 epochs)"),
        *(
            "530 images/s",
            "66.7 rounds/min",
            "2 workers",
            "Workers, worth 1.8 machines",
            "0.81",
            "1.29",
            "0.60",
            "0.40",
            "best 8.62 at version 40",
        ),
        *("Round 61: 1 of 2 results, open for 1.2 s, deadline in 8.8 s", "S c R", "computing 1", "refused 1"),
        *("9.83 48.2", "NVIDIA T4", "unit 1", "silent for 40 s", "12:34:56  ben was late with unit 1 of round 60"),
        *("a result for unit 2 of round 61 was refused", "q: quit", "▁▂▂" if width < 120 else "████"),
    ):
        assert words in text, words
    assert "submitted unit" not in text  # the round shows it
    assert text.index("ben  ") < text.index("anna  ") < text.index("cloe")  # who is not there comes last


@pytest.mark.parametrize("size", [(20, 5), (60, 12), (121, 10), (300, 100)])
def test_in_any_size_it_draws_what_fits(size: tuple[int, int]) -> None:
    lines = drawn(viewed(*RECORDED), *size)
    assert len(lines) == size[1]
    assert all(len(line) <= size[0] for line in lines)


def test_more_workers_than_lines_are_counted() -> None:
    class_of_30 = [ANNA | {"name": f"anna-{number}", "worker": number} for number in range(30)]
    units = [UNITS[1] | {"unit": number} for number in range(90)]
    crowd = RUN | {"rounds": [RUN["rounds"][1] | {"units": units}]}
    view = viewed(*RECORDED[:3], crowd, {"type": "people", "run": 7, "people": class_of_30})
    lines = drawn(view, 80, 24)
    assert len(lines) == 24
    assert "c" * 80 in lines  # 90 do not fit with spaces
    shown = sum(line.startswith("anna-") for line in lines)
    assert 0 < shown < 30
    assert f"and {30 - shown} more" in lines
    assert sum(" anna-" in line for line in drawn(view, 160, 48)) == 30


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    evil = "\x1b[2J\x1b]0;mine\x07eve\u202e\n"
    messages = [*RECORDED[:3], RUN | {"name": evil}, {"type": "people", "run": 7, "people": [ANNA | {"name": evil}]}]
    lines = drawn(viewed(*messages), 80, 24)
    assert "?[2J?]0;mine?eve??" in "\n".join(lines)
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("messages", "chosen", "words"),
    [
        ([], None, "Reading the database"),
        ([{"type": "runs", "runs": []}], None, "ganns train experiment=demo"),
        (
            [RECORDED[0], {"type": "gone", "run": 9}],
            9,
            "There is no run 9 in this database. Its runs: 8, 7. See `ganns runs`",
        ),
        (
            [RECORDED[0], {"type": "trouble", "text": "The database does not answer; trying again."}],
            None,
            "trying again",
        ),
        ([*RECORDED, {"type": "gone", "run": 7}], None, "There is no run 7"),
        ([*RECORDED[:3], RUN | {"config": {"stop": {"rounds": None}}}], None, "no end is set"),
        ([*RECORDED[:3], RUN | {"rounds": []}], None, "No worker yet. A worker joins with the line"),
    ],
)
def test_where_there_is_nothing_it_says_what_to_do(
    messages: list[dict[str, Any]], chosen: int | None, words: str
) -> None:
    view = View(chosen)
    view.turn_to(view.number)
    for message in messages:
        view.take(json.dumps(message))
        view.turn_to(view.number)
    assert words in "\n".join(drawn(view, 80, 24))
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(snapshot(view, 80))
    assert words in captured.get()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "training"),
        ({"workers_alive": 0}, "waiting for workers: `ganns worker`"),
        ({"coordinated": False}, "stopped: `ganns train resume=7`"),
        ({"wanted": "pause", "wanted_by": "ada"}, "pausing"),
        ({"wanted": "pause", "wanted_by": "ada", "rounds": RUN["rounds"][:1]}, "paused by ada: `ganns runs resume 7`"),
        ({"wanted": "stop", "wanted_by": ""}, "stopping"),
        ({"state": "finished"}, "finished"),
        ({"state": "diverged"}, "diverged: `ganns train start_from=7@best`"),
    ],
)
def test_a_run_says_what_it_does(change: dict[str, Any], words: str) -> None:
    assert run_in_words(RUN | change)[0] == words


@pytest.mark.parametrize(
    ("change", "unit", "words"),
    [
        ({}, None, "waiting"),
        ({}, 3, "unit 3"),
        ({"computes": {"run": 8, "round": 1, "unit": 3}}, None, "in run 8"),
        ({"draining": True}, 3, "leaving"),
        ({"alive": False, "silent_s": 90}, None, "silent for 1 min 30 s"),
        ({"alive": False, "silent_s": None}, None, "left"),
    ],
)
def test_a_worker_says_what_it_does(change: dict[str, Any], unit: int | None, words: str) -> None:
    assert worker_in_words(ANNA | change, 7, unit)[0] == words


def test_words() -> None:
    assert event_in_words({"event": "joined", "worker": 3}, "", 7) == "a worker joined"
    assert [seconds(one) for one in (None, 0.05, 3.21, 42.2, 4800.0)] == ["–", "50 ms", "3.2 s", "42 s", "1 h 20 min"]


def test_a_finding_about_the_health_is_an_event_each_time_it_begins() -> None:
    wait = {"kind": "waiting", "text": "Waiting for ben.", "remedy": ""}
    won = {"kind": "won", "text": "D has won.", "remedy": "Try a smaller optimizer.lr_d."}
    messages = [RUN | {"health": one} for one in ([won, wait], [won], [], [won])]
    events = [one[10:] for one in viewed(*RECORDED[:-1], *messages).events]
    assert events == ["D has won. Try a smaller optimizer.lr_d."] * 2


def test_a_curve_keeps_its_scale() -> None:
    assert spark([0.0, None, 0.5, 1.0], 10) == ["▁ ▄█"]
    assert spark([0.0, 0.5, 1.0], 2) == ["▁█"]
    assert spark([0.0, 0.5, 1.0], 10, height=2) == ["  █", "▁██"]
    assert spark([0.5, 0.5], 10, low=0, high=1) == ["▄▄"]
    assert spark([None], 10, height=2) == ["", ""]


def test_columns_that_begin_late_are_filled_up() -> None:
    assert joined({"round": [0, 1], "a": [5.0, 6.0]}, {"round": [2], "b": [7.0]}, last=2) == {
        "round": [1, 2],
        "a": [6.0, None],
        "b": [None, 7.0],
    }


def test_the_run_that_is_trained_is_shown_unless_one_is_chosen() -> None:
    runs = [{"run": 9, "state": "finished"}, {"run": 7, "state": "open"}, {"run": 2, "state": "finished"}]
    view = viewed({"type": "runs", "runs": runs})
    assert view.number == 7
    for step, number in ((1, 9), (1, 7), (-1, 2), (-1, 2), (1, 7), (1, 9)):
        view.choose(step)
        assert view.number == number
    view.take(json.dumps(RUN | {"run": 9}))
    assert view.run is None  # of another run than the one that is on the screen


def test_it_stays_with_a_run_that_has_just_finished_and_goes_on_to_the_next_that_is_trained() -> None:
    def runs(*found: tuple[int, str, bool]) -> str:
        rows = [{"run": run, "state": state, "coordinated": coordinated} for run, state, coordinated in found]
        return json.dumps({"type": "runs", "runs": rows})

    view = viewed(json.loads(runs((9, "open", True), (7, "open", False))))
    view.turn_to(view.number)
    assert view.number == 9
    view.take(runs((9, "finished", False), (7, "open", False)))
    assert view.number == 9  # not the run 7, which was stopped long ago
    view.take(runs((9, "finished", False), (7, "open", True)))
    assert view.number == 7


def test_a_line_with_little_room_keeps_its_two_parts_apart() -> None:
    console = Console(width=30, file=io.StringIO())
    console.print(_line(Text("240 images/s · 12 rounds/min"), Text("2 workers")))
    assert " 2 workers" in console.file.getvalue()


# ---------------------------------------------------------------------------------------------- the command itself

SCRIPT = """
import sys
from ganns.cli.app import main
try:
    main()
finally:
    print("loaded:", [name for name in ("torch", "matplotlib", "hydra", "nicegui") if name in sys.modules])
"""


def variables(address: Address, **more: str) -> dict[str, str]:
    return os.environ | {"GANNS_DATABASE_URL": address.conninfo, **more}


def test_in_a_pipe_it_prints_once_and_loads_nothing_heavy(database: Address, conn: Connection) -> None:
    def printed(*options: str) -> str:
        command = [sys.executable, "-c", SCRIPT, "top", *options]
        done = subprocess.run(
            command, cwd=ROOT, env=variables(database), capture_output=True, text=True, timeout=120, check=True
        )
        assert done.stdout.splitlines()[-1] == "loaded: []"
        assert "\x1b" not in done.stdout
        return done.stdout

    assert "No run yet" in printed()
    lesson = Lesson(conn, num_workers=3, units=4, spares=1)
    lesson.past(12, samples=0, evaluate_every=5)
    lesson.open()
    lesson.claim(0)
    text = printed("--run", str(lesson.run))
    assert f"Run {lesson.run} lesson: training" in text
    assert "version 12 of 5,000" in text
    assert "c . . . ." in text
    assert "chloe" in text
    assert "There is no run 99" in printed("--run", "99")


@contextmanager
def terminal(address: Address) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run `ganns top` on a terminal of 80 by 24; yield the process and our end of the terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(theirs)
    command = [sys.executable, "-m", "ganns", "top"]
    environment = variables(address, TERM="xterm", NO_COLOR="1")
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    try:
        yield process, ours
        assert termios.tcgetattr(theirs) == before  # echo is on again
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def read_until(ours: int, words: str, timeout_s: float = 90) -> None:
    """Read what is drawn until it contains `words`, whatever line they are on."""
    text, plain, until = b"", "", time.monotonic() + timeout_s
    while words not in plain:
        assert time.monotonic() < until, f"waited for {words!r}: {plain[-3000:]}"
        if select.select([ours], [], [], 0.1)[0]:
            text += os.read(ours, 65536)
        plain = " ".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.decode(errors="replace")).split())
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", text.decode(errors="replace"))  # NO_COLOR


def drained(ours: int) -> bool:
    while select.select([ours], [], [], 0)[0]:
        os.read(ours, 65536)
    return True


def test_on_a_terminal_it_follows_until_q(database: Address, conn: Connection) -> None:
    lesson = Lesson(conn, num_workers=3, units=4, spares=1)
    lesson.past(12, samples=0, evaluate_every=5)
    with terminal(database) as (process, ours):
        read_until(ours, "version 12 of 5,000")
        lesson.play()
        read_until(ours, "version 13 of 5,000")
        # The database goes away, and is back.
        gone = conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'ganns top' AND datname = current_database()"
        ).fetchall()
        assert gone == [(True,)]
        read_until(ours, "does not answer; trying again")
        read_until(ours, "q: quit")
        lesson.play()
        read_until(ours, "version 14 of 5,000")
        second = Lesson(conn, num_workers=3, units=4, spares=1, name="second")  # a new run: it is followed by itself
        read_until(ours, f"Run {second.run} second")
        os.write(ours, b"p")
        read_until(ours, f"Run {lesson.run} lesson")
        os.write(ours, b"q")
        wait_until(lambda: drained(ours) and process.poll() is not None, what="the end")
        assert process.returncode == 0
