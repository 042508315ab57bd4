"""What questions to the drawing process may cost, and what the page makes of the answers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from pathlib import Path
from typing import Any

import playwright
from fastapi import HTTPException
from starlette.requests import Request

from ganns.dashboard.api.drawn import MAX_EACH, Asking
from ganns.dashboard.drawing import Answer
from tests.support.helpers import ROOT

NODE = Path(playwright.__file__).parent / "driver" / "node"  # every machine with the tests' packages has it
LIB = ROOT / "ganns/dashboard/components/lib"


class Slow:
    """Answers after `go`, and counts the questions."""

    def __init__(self) -> None:
        self.go, self.asked = threading.Event(), 0

    def kept(self, question: dict[str, Any], seen: int) -> Answer | None:
        return None

    def ask(self, question: dict[str, Any], seen: int) -> Answer:
        self.asked += 1
        assert self.go.wait(60)
        return question, b""


def from_address(host: str) -> Request:
    return Request({"type": "http", "client": (host, 1), "headers": []})


def test_what_a_class_asks_at_the_same_time_is_asked_once_and_nobody_else_waits() -> None:
    slow = Slow()

    async def ask() -> list[Answer]:
        asking = Asking(slow)  # type: ignore[arg-type]
        tasks = [asyncio.create_task(asking.ask({"version": 3}, 7, from_address("10.0.0.1"))) for _ in range(300)]
        tasks[0].cancel()  # who leaves ends no one else's question
        await asyncio.sleep(0)  # the loop is free
        slow.go.set()
        return await asyncio.gather(*tasks[1:])

    assert asyncio.run(ask()) == [({"version": 3}, b"")] * 299
    assert slow.asked == 1


def test_an_address_may_ask_only_so_often() -> None:
    slow = Slow()
    slow.go.set()

    async def ask() -> list[int]:
        asking, codes = Asking(slow), []  # type: ignore[arg-type]
        for number in range(MAX_EACH + 1):
            try:
                await asking.ask({"version": number}, 7, from_address("10.0.0.1"))
            except HTTPException as error:
                codes.append(error.status_code)
        await asking.ask({"labels": []}, 7)  # the sliders' pictures are not limited
        return codes

    assert asyncio.run(ask()) == [429]
    assert slow.asked == MAX_EACH + 1  # the last one was the sliders'


# ------------------------------------------------------------------------------------------------------- the page


def run_script(expression: str) -> Any:
    script = (
        f'import {{ spread }} from "{LIB}/face.js"; import {{ standIn, verdict }} from "{LIB}/face_words.js";'
        f"console.log(JSON.stringify({expression}));"
    )
    found = subprocess.run([NODE, "--input-type=module", "-e", script], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def test_a_number_becomes_a_sentence_and_kept_versions_come_into_the_strip() -> None:
    said = run_script("[0.31, 0.5, 0.999, 0.0004, null].map(verdict)")
    assert said == [
        "D answers 0.31: it takes this face for drawn.",
        "D answers 0.50: it cannot tell whether this face is drawn or real.",
        "D answers > 0.99: it takes this face for real.",
        "D answers < 0.01: it takes this face for drawn.",
        "D gives no number: this version is broken.",
    ]
    few, many, kept = list(range(12)), list(range(0, 2000, 10)), [0, 100, 170, 1230, 1990]
    assert run_script(f"[spread({few}, [3]), spread({many})]")[0] == few
    plain, snapped = run_script(f"[spread({many}), spread({many}, {kept})]")
    for shown in (plain, snapped):
        assert (len(shown), shown[0], shown[-1]) == (12, 0, 1990)
        assert shown == sorted(set(shown))
    assert {0, 1230, 1990} <= set(snapped)
    assert {100, 170} & set(snapped)  # both are in one twelfth of the run
