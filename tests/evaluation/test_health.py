"""Warnings, on injected series: each is said when its sign has lasted, once an episode, and never of a healthy run."""

from __future__ import annotations

import random

import pytest

from ganns.evaluation.health import WINDOW, RoundHealth, SampleHealth

HEALTHY = {"d_real": 0.7, "d_fake": 0.3, "d_loss": 0.9, "g_loss": 1.5}
SIGNS = {
    "D has won": {"d_real": 0.999, "d_fake": 0.001, "d_loss": 0.002, "g_loss": 9.0},
    "D only guesses": {"d_real": 0.5, "d_fake": 0.501, "d_loss": 1.386, "g_loss": 0.693},
    "the losses explode": {"d_real": 0.6, "d_fake": 0.4, "d_loss": 1.0, "g_loss": 55.0},
}


def said(health: RoundHealth, metrics: dict[str, float], rounds: int = WINDOW) -> list[str]:
    return [str(one) for _ in range(rounds) for one in health.watch(metrics)]


@pytest.mark.parametrize("sign", SIGNS)
def test_a_sign_that_lasts_is_said_once_an_episode(sign: str) -> None:
    health = RoundHealth()
    assert said(health, SIGNS[sign], WINDOW - 1) == []
    [text] = said(health, SIGNS[sign], 3 * WINDOW)
    assert text.startswith(sign)
    assert "Try" in text
    assert len(health.present) == 1
    assert said(health, HEALTHY, 2 * WINDOW) == []
    assert health.present == {}
    assert len(said(health, SIGNS[sign], 2 * WINDOW)) == 1  # it came back


@pytest.mark.parametrize("sign", SIGNS)
def test_a_sign_that_comes_and_goes_is_none(sign: str) -> None:
    health = RoundHealth()
    for _ in range(5):
        assert said(health, SIGNS[sign], WINDOW // 2) == []
        assert said(health, HEALTHY, WINDOW // 2) == []


def test_a_healthy_run_is_left_in_peace() -> None:
    health, rng = RoundHealth(), random.Random(0)
    for _ in range(20 * WINDOW):
        metrics = {
            "d_real": min(1.0, max(0.0, rng.gauss(0.85, 0.1))),
            "d_fake": min(1.0, max(0.0, rng.gauss(0.12, 0.1))),
            "d_loss": abs(rng.gauss(0.5, 0.4)),
            "g_loss": abs(rng.gauss(3.5, 2.0)),
        }
        assert health.watch(metrics) == []


def test_a_round_that_went_back_is_left_out() -> None:
    assert RoundHealth().watch({"went_back_to": 7.0}) == []


@pytest.mark.parametrize("name", ["pixel_variance", "feature_variance"])
def test_samples_that_look_alike_are_said_once_an_episode(name: str) -> None:
    health, good = SampleHealth(), {"pixel_variance": 0.9, "feature_variance": 0.8}
    assert health.watch(good) == []
    [text] = health.watch(good | {name: 0.01})
    assert "1.0%" in str(text)
    assert health.present.keys() == {"alike"}
    assert health.watch(good | {name: 0.02}) == []
    assert health.watch(good) == []
    assert len(health.watch(good | {name: 0.01})) == 1


def test_samples_that_are_still_grey_are_given_time() -> None:
    health, grey = SampleHealth(), {"pixel_variance": 0.0, "feature_variance": 0.0}
    assert [len(health.watch(grey)) for _ in range(7)] == [0, 0, 0, 0, 1, 0, 0]


def test_samples_on_their_way_up_are_left_in_peace() -> None:
    """As a run on synthetic faces showed them: evaluated from version 25 to 492."""
    health = SampleHealth()
    for share in (0.003, 0.114, 0.077, 0.075, 0.117, 0.286, 0.264, 0.303, 0.319):
        assert health.watch({"pixel_variance": share, "feature_variance": share}) == []
