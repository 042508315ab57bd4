"""`link=auto`: the workers that are there choose codec and units, once."""

from __future__ import annotations

import math

import pytest
from psycopg.types.json import Jsonb

from ganns.config import (
    AutoCodec,
    AutoStrategy,
    Config,
    Fp32Codec,
    HomeCodec,
    LocalStepsStrategy,
    SyntheticData,
    from_dict,
)
from ganns.coordinator.auto import FEWEST, MOST, choose_units, codec_for, slowest_third
from ganns.coordinator.create import create_run
from ganns.doctor.speed import PRESETS
from ganns.queue.machine import figures_of
from ganns.store import runs
from ganns.training.traffic import Traffic, traffic_of
from tests.coordinator.test_faults import finish_run
from tests.support.fakes import solo_digest, tiny


@pytest.mark.parametrize(
    ("links", "mbit"),
    [
        ([], None),
        ([(None, None)], None),
        ([(10.0, 50.0)], 10.0),
        ([(50, 10)], 10.0),
        ([(10.0, None), (None, None)], 10.0),
        ([(1.0, 9.0), (30.0, 90.0), (200.0, 200.0)], 1.0),
        ([(float(speed), 1000.0) for speed in range(1, 16)], 3.0),  # the third of five
        ([("fast", True), (-1.0, math.nan), (10**400, math.inf), ([], {})], None),
    ],
)
def test_the_median_of_the_slowest_third_counts(links, mbit):
    figures = [figures_of({"up_mbit": up, "down_mbit": down}) for up, down in links]
    assert slowest_third(figures) == mbit


@pytest.mark.parametrize(
    ("mbit", "name"), [(None, "home"), (0.5, "home"), (19.9, "home"), (20, "int8"), (99, "int8"), (100, "fp32")]
)
def test_each_link_has_its_codec(mbit, name):
    assert codec_for(mbit).name == name


def worker(up, down, images_per_s):
    return {"up_mbit": up, "down_mbit": down, "images_per_s": images_per_s}


MB = Traffic(1_000_000, 500_000)  # at 8 and 4 Mbit/s each takes a second
PHONE, LAPTOP, QUICK = worker(0.8, 8, 4), worker(8, 4, 40), worker(800, 400, 400)  # 10.5, 2 and 0.02 s of transfers


@pytest.mark.parametrize(
    ("figures", "images", "why"),
    [
        ([LAPTOP], 736, "has 736 images: the slowest third of 1 "),  # 9 * 2 s * 40 images/s = 720, in steps of 32
        ([LAPTOP, {}, {"up_mbit": 0.1}], 736, "third of 1 measured workers transfers for 2 s"),
        ([LAPTOP, QUICK, QUICK], 736, "computes 720 images in 9 times as long"),
        ([LAPTOP, QUICK, PHONE], 384, "transfers for 10 s"),  # the phone computes few images meanwhile: 378
        ([*5 * [LAPTOP], QUICK, PHONE], 736, "slowest third of 7 "),  # a single phone in a tunnel does not decide
        ([QUICK], 256, "has 256 images, the fewest"),
        ([worker(0.1, 0.1, 1000)], 8192, "has 8,192 images, the most"),
        ([worker(8, 4, 255 / 18)], 256, "has 256 images: "),
    ],
)
def test_the_slowest_third_computes_for_nine_times_as_long_as_it_transfers(figures, images, why):
    found, sentence = choose_units(figures, MB, micro_batch=32, num_images=10**6)
    assert (found, why in sentence) == (images, True), sentence
    assert FEWEST <= found <= MOST


@pytest.mark.parametrize(
    ("micro_batch", "num_images", "images"),
    [(32, 10**6, 736), (50, 10**6, 750), (720, 10**6, 720), (32, 700, 672), (32, 100, 96), (64, 40, 64)],
)
def test_units_have_whole_steps_and_no_more_images_than_there_are(micro_batch, num_images, images):
    found, _ = choose_units([LAPTOP], MB, micro_batch=micro_batch, num_images=num_images)
    assert found == images


def test_nothing_is_chosen_where_nobody_measured_all():
    for figures in ([], [{}], [{"up_mbit": 8.0, "down_mbit": 4.0}], [{"images_per_s": 40.0}]):
        assert choose_units(figures, MB, micro_batch=32, num_images=1000) is None


def test_the_traffic_is_what_a_run_sends():
    # The bytes that docs/explain/compression.md names; a link's are measured in tests/training/test_chain.py
    up, down = traffic_of(Config(codec=HomeCodec()))
    assert (up, down) == (pytest.approx(1.64e6, rel=0.02), pytest.approx(3_385_896, rel=0.001))
    exact = traffic_of(Config(codec=Fp32Codec()))
    assert exact == pytest.approx((25.4e6, 25.4e6), rel=0.003)
    for preset in PRESETS:  # `ganns doctor` says how long these bytes take
        assert (exact if preset.name == "lan" else (up, down)) == pytest.approx(
            (1e6 * preset.up_mb, 1e6 * preset.down_mb), rel=0.01
        )


def test_it_is_resolved_once_by_live_workers_and_stored(conn, join):
    def codec() -> str:
        stored = runs.get_run(conn, create_run(conn, tiny(codec=AutoCodec())).id).config["codec"]
        assert from_dict({"stop": {"rounds": 1}, "codec": stored}).codec.name == stored["name"] != "auto"
        return stored["name"]

    def says(worker, **info) -> None:
        conn.execute("UPDATE ganns.workers SET info = %s WHERE id = %s", (Jsonb(info), worker.id))

    assert codec() == "home"
    quick, slow = join("quick"), join("slow")
    assert codec() == "home"  # they say nothing
    says(quick, up_mbit=400, down_mbit=900.5, images_per_s=40)
    assert codec() == "fp32"
    says(slow, up_mbit=25.0, down_mbit=80.0)
    assert codec() == "int8"
    says(slow, up_mbit="1e400", down_mbit=None)
    assert codec() == "fp32"
    says(slow, up_mbit=3.0)
    assert codec() == "home"
    slow.fall_silent()
    assert codec() == "fp32"


def test_the_run_says_what_was_chosen(coordinate, join, conn):
    config = tiny(codec=AutoCodec(), strategy=AutoStrategy(micro_batch=8))
    coordinator = coordinate(config)
    finish_run(coordinator, join())
    assert coordinator.digest == solo_digest(config)  # which knows of no workers, either
    assert "codec=auto is codec=home for the workers that are there now" in coordinator.said
    assert any(text.startswith("strategy=auto: a unit has 2,048 images, since") for text in coordinator.said)
    stored = runs.get_run(conn, coordinator.run_id).config
    assert (stored["strategy"]["name"], stored["strategy"]["unit_images"]) == ("local_steps", 2048)
    assert stored["codec"] == {"name": "home", "up": "rot2", "down": "chain"}


def test_units_are_chosen_once_by_live_workers_and_stored(conn, join):
    said = []
    alive = slow, quick = [join("slow"), join("quick")]

    def unit() -> int:
        del said[:]
        for worker in alive:
            worker.beat()  # on a busy machine a run may take longer to create than the time of silence
        config = tiny(strategy=AutoStrategy(micro_batch=4), data=SyntheticData(count=800, holdout=8), codec=HomeCodec())
        stored = runs.get_run(conn, create_run(conn, config, say=said.append).id).config["strategy"]
        unit_images = stored["unit_images"]
        assert LocalStepsStrategy(**stored) == LocalStepsStrategy(unit_images=unit_images, micro_batch=4)
        return unit_images

    def says(worker, **info) -> None:
        conn.execute("UPDATE ganns.workers SET info = %s WHERE id = %s", (Jsonb(info), worker.id))

    nobody = "strategy=auto: a unit has 2,048 images, since no worker has measured its link and its speed yet"
    assert (unit(), said) == (2048, [nobody])
    up, down = traffic_of(tiny(codec=HomeCodec()))
    says(quick, up_mbit=8e-6 * up, down_mbit=8e-6 * down, images_per_s=29.9)  # a second each
    assert unit() == 540
    assert said == [
        "strategy=auto: a unit has 540 images: the slowest third of 1 measured workers transfers for 2 s in a round, "
        "and computes 538 images in 9 times as long"
    ]
    says(slow, up_mbit=8e-6 * up, down_mbit=4e-6 * down, images_per_s=19.9, link="[/red]")
    assert unit() == 540  # 9 * 3 s * 19.9 images/s, in steps of 4
    says(slow, up_mbit=4e-6 * up, down_mbit=4e-6 * down, images_per_s=19.9)
    assert unit() == 720
    alive.remove(slow)
    slow.fall_silent()
    assert unit() == 540
