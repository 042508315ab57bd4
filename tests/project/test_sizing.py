"""The arithmetic of `benchmarks.sizing`, on cases that are computed by hand, and the tables on its page."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields

import pytest

from benchmarks import sizing
from benchmarks.sizing import BASE, Measured, Plan, Yours, gains, size, tables
from ganns.config import ModelConfig
from ganns.launch.compose import compose
from ganns.training.dcgan import Discriminator, Generator
from tests.support.helpers import ROOT

PAGE = (ROOT / "docs/howto/sizing.md").read_text("utf-8")
WEIGHTS_MB = 25.369088  # (3,576,704 + 2,765,568) numbers of 4 bytes
EASY = Measured(
    compute_s=6.4, compute_images=64, fixed_s=0.5, units_per_s=50, units_cores=2, fetch_s=0.1, database_mb=20
)
EVEN = Yours(server_mbit=1000, down_mbit=50, up_mbit=10, server_cores=2, slow_share=0.0)


def test_the_weights_are_those_of_the_model() -> None:
    gen, disc = Generator(ModelConfig()), Discriminator(ModelConfig())
    assert sum(p.numel() for p in gen.parameters()) == sizing.NUM_WEIGHTS_G
    assert sum(p.numel() for p in disc.parameters()) == sizing.NUM_WEIGHTS_D


def test_ten_workers_by_hand() -> None:
    found = size(10, BASE, EVEN, EASY)
    down, up = 8 * WEIGHTS_MB / 50, 8 * WEIGHTS_MB / 10  # 4.06 s and 20.3 s: the worker's own link is the narrow one
    round_s = down + 6.4 + up + 0.5
    assert found["round_s"] == pytest.approx(round_s)
    assert found["images_per_s"] == pytest.approx(640 / round_s)
    assert found["out_mbit"] == pytest.approx(10 * 8 * WEIGHTS_MB / round_s)
    assert found["in_mbit"] == found["out_mbit"]
    assert found["out_gb_hour"] == pytest.approx(0.25369088 * 3600 / round_s)
    assert (found["connections"], found["connections_pooled"]) == (36, 14)  # 10 * 24.35 / 31.25 = 7.8 at once
    state = 3 * WEIGHTS_MB + 3_576_704 * 4 / 1e6
    assert found["database_mb"] == pytest.approx(20 + 3 * WEIGHTS_MB + 20 * WEIGHTS_MB + 2 * state)
    assert found["server_cores_busy"] == pytest.approx((10 * 2 / 50 + 10 * 2 * 0.1) / round_s)


def test_many_workers_share_the_server_s_link() -> None:
    found = size(1000, BASE, EVEN, EASY)
    each_way = 1000 * WEIGHTS_MB * 8 / 1000
    assert found["round_s"] == pytest.approx(each_way + 6.4 + each_way + 0.5)


def test_a_weak_server_decides() -> None:
    fast = Yours(server_mbit=1e9, down_mbit=1e9, up_mbit=1e9, server_cores=1, slow_share=0.0)
    found = size(1000, BASE, fast, EASY)
    assert found["round_s"] == pytest.approx(1000 * 2 / 50 + 1000 * 2 * 0.1 + 0.5, rel=1e-6)
    assert found["server_cores_busy"] == pytest.approx(1, rel=0.01)


def test_what_each_knob_does() -> None:
    half = size(10, Plan("", "", result_bytes=2), EVEN, EASY)
    assert half["in_mbit"] * half["round_s"] == pytest.approx(10 * 8 * WEIGHTS_MB / 2)
    slow = Yours(slow_share=0.2, slow_factor=3.0)
    waiting, spared = size(10, BASE, slow, EASY), size(10, Plan("", "", spares=True), slow, EASY)
    assert waiting["round_s"] - spared["round_s"] == pytest.approx(2 * 6.4)
    assert spared["images_per_s"] == pytest.approx(8 * 64 / spared["round_s"])


def test_the_presets_are_those_of_the_configuration() -> None:
    for plan in sizing.PRESETS:
        config = compose([plan.typed])
        assert config.strategy.unit_images == plan.unit_images
        assert (config.codec.up, config.codec.down) == (("rot2", "chain") if plan.chain else ("fp32", "fp32"))


def test_cost_is_hours_and_traffic() -> None:
    found = size(10, BASE, Yours(price_hour=2.0, price_gb=0.5), EASY)
    assert found["cost_hour"] == pytest.approx(2.0 + 0.5 * found["out_gb_hour"])


def test_the_measured_figures_are_those_of_the_page_on_benchmarks() -> None:
    page = (ROOT / "docs/howto/benchmarks.md").read_text("utf-8")
    found = Measured()
    for text in (
        f'"fetch": {found.fetch_s}',
        f'"compute": {found.compute_s}',
        f"`fixed_ms` {1000 * found.fixed_s:.1f}",
        f'"units_per_s": {found.units_per_s}',
        f"and {found.database_mb} MB\nafter 100, 200 and 300 rounds",
    ):
        assert text in page, text


def test_the_page_has_what_the_program_prints() -> None:
    for table in tables([10, 100, 1000], Yours()).split("\n\n"):
        assert table in PAGE, "type `python -m benchmarks.sizing --table`, and put the tables into docs/howto/sizing.md"
    assert gains(1000, Yours())[0][0] == "local_steps"
    assert [sizing._field(option) for option in sizing.OPTIONS] == [one.name for one in fields(Yours)]
    for option in sizing.OPTIONS:
        assert f"`{option}`" in PAGE
    for knob in sizing.KNOBS:
        assert f"`{knob.typed}`" in PAGE


def test_it_prints_json_last() -> None:
    command = [sys.executable, "-m", "benchmarks.sizing", "--workers", "30", "--price-gb", "0.1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert {one["workers"] for one in found["sizes"]} == {30}
    assert found["sizes"][0]["cost_hour"] == pytest.approx(found["sizes"][0]["out_gb_hour"] * 0.1, abs=0.01)
