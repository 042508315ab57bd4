"""The tab key, as the shells ask: with variables, and without a start of Hydra or torch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ganns.cli.completion import keys, overrides

GANNS = Path(sys.executable).with_name("ganns")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("experiment=d", ["experiment=demo", "experiment=demo_gradient"]),
        ("loss=", ["loss=hinge", "loss=non_saturating"]),
        ("model.image_size=", ["model.image_size=32", "model.image_size=64", "model.image_size=128"]),
        ("tensorboard=t", ["tensorboard=true"]),
        ("stop.min", ["stop.minutes="]),
        ("seed=", []),
        ("nothing=", []),
        ("../../=", []),
    ],
)
def test_keys_and_values(typed: str, offered: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMP_WORDS", raising=False)
    assert overrides(typed) == offered


def test_every_setting_is_offered() -> None:
    assert {"experiment", "optimizer.lr_g", "quorum.units", "seed", "data"} <= set(keys())


@pytest.mark.parametrize(
    ("words", "number", "offered"),
    [
        ("ganns tr", 1, {"train"}),
        ("ganns train experiment=d", 2, {"experiment=demo", "experiment=demo_gradient"}),
        ("ganns train experiment = d", 4, {"demo", "demo_gradient"}),  # bash's own words
        ("ganns train -m loss =", 4, {"hinge", "non_saturating"}),
        ("ganns runs pa", 2, {"pause"}),
    ],
)
def test_bash_gets_the_right_words(words: str, number: int, offered: set[str]) -> None:
    asked = {"_GANNS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(number)}
    done = subprocess.run([GANNS], env=os.environ | asked, capture_output=True, text=True, timeout=120)
    assert set(done.stdout.split()) == offered, done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish", "powershell"])
def test_other_shells_get_the_overrides_too(shell: str) -> None:
    typed = "experiment=d"
    asked = {
        **{"_GANNS_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": f"ganns train {typed}"},
        **{"_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_WORD_TO_COMPLETE": typed},
    }
    done = subprocess.run([GANNS], env=os.environ | asked, capture_output=True, text=True, timeout=120)
    assert re.findall(r"experiment=\w+", done.stdout) == ["experiment=demo", "experiment=demo_gradient"], done.stderr
