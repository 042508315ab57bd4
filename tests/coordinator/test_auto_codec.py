"""`codec=auto`: the links of the workers that are there choose, once."""

from __future__ import annotations

import math

import pytest
from psycopg.types.json import Jsonb

from ganns.config import AutoCodec, from_dict
from ganns.coordinator.auto_codec import codec_for, slowest_third
from ganns.coordinator.create import create_run
from ganns.store import runs
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
    assert slowest_third(links) == mbit


@pytest.mark.parametrize(
    ("mbit", "name"), [(None, "home"), (0.5, "home"), (19.9, "home"), (20, "int8"), (99, "int8"), (100, "fp32")]
)
def test_each_link_has_its_codec(mbit, name):
    assert codec_for(mbit).name == name


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
    config = tiny(codec=AutoCodec())
    coordinator = coordinate(config)
    finish_run(coordinator, join())
    assert coordinator.digest == solo_digest(config)  # which knows of no workers, either
    assert "codec=auto is codec=home for the workers that are there now" in coordinator.said
    assert runs.get_run(conn, coordinator.run_id).config["codec"] == {"name": "home", "up": "rot2", "down": "chain"}
