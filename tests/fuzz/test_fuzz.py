"""Random input: nothing but our own errors.

`make test-all` spends a minute on the files and addresses that people give, and a minute on all the rest; `make fuzz`
five minutes on each. GANNS_FUZZ_S sets the seconds.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, seed, settings

from ganns.errors import GannsError
from tests.fuzz.targets import TARGETS, Target

SECONDS = float(os.environ.get("GANNS_FUZZ_S") or 60)
BATCH = 50
GIVEN = ("image file", "zip of images", "address")
"""What people give to the program, with more time than the others."""


def try_some(target: Target, number: int, num: int) -> int:
    """Try `num` inputs, always the same ones for one `number`; return how many there were."""
    tried = 0

    @seed(number)
    @settings(max_examples=num, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(target.input)
    def check(value: object) -> None:
        nonlocal tried
        tried += 1
        with suppress(GannsError):
            target.read(value)

    check()
    return tried


@pytest.mark.parametrize("name", TARGETS)
def test_a_few(name: str) -> None:
    assert try_some(TARGETS[name], 0, TARGETS[name].num) > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_many(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As many as there is time for, and others each time: the number in the message repeats them."""
    share = len(GIVEN) if name in GIVEN else len(TARGETS) - len(GIVEN)
    until, tried, number = time.monotonic() + SECONDS / share, 0, time.time_ns() % 10**9
    while time.monotonic() < until:
        number += 1
        try:
            tried += try_some(TARGETS[name], number, BATCH if TARGETS[name].num >= 10 else 5)
        except BaseException as error:
            error.add_note(f"repeat it: try_some(TARGETS[{name!r}], {number}, {BATCH})")
            raise
    with capsys.disabled():
        print(f"\nfuzz: {name}: {tried:,} inputs, nothing but our own errors", end="")
