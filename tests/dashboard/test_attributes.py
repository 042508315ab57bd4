"""Sliders for a conditional model's attributes, in a real browser, with a checkpoint in the database."""

from __future__ import annotations

import io
import json
import urllib.request
from collections.abc import Iterator
from urllib.error import HTTPError

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, expect

from ganns.config import ModelConfig, StopConfig, to_dict
from ganns.dashboard.drawing import CannotDraw, Drawing
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.export.drawing_process import Drawer, serve
from ganns.store import runs, weights
from ganns.training.state import TrainingState
from tests.dashboard.conftest import Site, serving
from tests.support.fakes import publish_state, tiny

CONFIG = tiny(
    model=ModelConfig(
        image_size=32, latent_dim=8, features_g=4, features_d=4, conditional=True, attributes="Eyeglasses,Smiling"
    ),
    stop=StopConfig(rounds=3),
)


@pytest.fixture(scope="module")
def run(empty_database: Address, tmp_path_factory: pytest.TempPathFactory) -> int:
    """A conditional run with a checkpoint of version 0, whose labels matter."""
    state = TrainingState(CONFIG)
    with torch.no_grad():
        state.ema["embedding.weight"].mul_(5)
    path = tmp_path_factory.mktemp("state") / "state"
    state.save(path)
    with connect(empty_database) as conn:
        found = runs.create_run(
            conn, name="faces", config=to_dict(CONFIG), fingerprint="x", num_images=40, permutation_digest="y"
        )
        publish_state(conn, found, 0, path.read_bytes())
        assert weights.put_checkpoint(conn, found, 0, path.read_bytes())
    return found


@pytest.fixture(scope="module")
def faces(empty_database: Address, run: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(empty_database, tmp_path_factory.mktemp("site")) as site:
        yield site


def asked(drawer: Drawer, *requests: dict) -> list[tuple[dict, bytes]]:
    answers = io.BytesIO()
    serve(drawer, io.BytesIO(b"".join(json.dumps(one).encode() + b"\n" for one in requests)), answers)
    answers.seek(0)
    heads = [json.loads(answers.readline()) for _ in requests[:1]]
    return [(heads[0], answers.read())]


def test_the_process_draws_what_it_is_asked_for(empty_database: Address, run: int) -> None:
    drawer = Drawer(empty_database)
    [(head, picture)] = asked(drawer, {"ask": "attributes", "run": run, "best": False, "labels": [0.0, 1.0]})
    assert head == {"size": len(picture)}
    with Image.open(io.BytesIO(picture)) as found:
        assert found.width == found.height > 300
    [(_, other)] = asked(drawer, {"ask": "attributes", "run": run, "best": False, "labels": [1.0, 0.0]})
    assert other != picture


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"best": True, "labels": [0.0, 1.0]}, "has no checkpoint yet"),
        ({"best": False, "labels": [0.0]}, "has other attributes; load the page again"),
        ({"run": 99, "best": False, "labels": [0.0]}, "has no checkpoint yet"),
    ],
)
def test_the_process_says_why_it_cannot(empty_database: Address, run: int, request_: dict, reason: str) -> None:
    [(head, picture)] = asked(Drawer(empty_database), {"ask": "attributes", "run": run, **request_})
    assert reason in head["error"]
    assert picture == b""


def test_a_killed_process_is_started_again(empty_database: Address, run: int) -> None:
    drawing = Drawing(empty_database)
    try:
        question = {"ask": "attributes", "run": run, "best": False, "labels": [0.0, 1.0]}
        picture = drawing.ask(question, 0)
        assert drawing._process is not None
        drawing._process.kill()
        drawing._process.wait()
        assert drawing.ask(question, 0) == picture  # it was kept
        assert drawing.ask(question, 1) == picture  # drawn by another process
        with pytest.raises(CannotDraw, match="no checkpoint yet"):
            drawing.ask(question | {"best": True}, 0)
    finally:
        drawing.close()
    assert drawing._process is None


def test_sliders_change_the_faces(page: Page, faces: Site, run: int) -> None:
    page.goto(f"{faces.url}/run/{run}")
    section = page.locator(".attributes")
    expect(section.get_by_role("heading")).to_have_text("Choose attributes")
    expect(section.get_by_role("slider")).to_have_count(2)
    smile = section.get_by_role("slider", name="smiling")
    smile.press("End")
    picture = section.locator("img")
    expect(picture).to_have_attribute("alt", "Sixteen generated faces: smiling", timeout=60_000)
    first = picture.get_attribute("src")
    smile.press("Home")
    expect(picture).not_to_have_attribute("src", str(first))
    expect(picture).to_have_js_property("complete", True)
    assert not [one for one in Axe().run(page, context=".attributes").response["violations"]]


def code_of(url: str) -> int:
    """The code of the error that the dashboard answers with."""
    with pytest.raises(HTTPError) as caught:
        urllib.request.urlopen(url, timeout=60).close()
    caught.value.close()
    return caught.value.code


def test_an_odd_address_is_refused(faces: Site, run: int) -> None:
    for query in ("labels=2&version=0", "labels=0,a&version=0", "labels=0,1", f"labels={','.join('0' * 50)}&version=0"):
        assert code_of(f"{faces.url}/drawn/{run}.webp?{query}") == 422
    assert code_of(f"{faces.url}/drawn/99.webp?labels=0&version=0") == 409


def test_a_plain_run_has_no_sliders(page: Page, faces: Site, run: int, empty_database: Address) -> None:
    with connect(empty_database) as conn:
        plain = runs.create_run(
            conn, name="plain", config=to_dict(tiny()), fingerprint="x", num_images=40, permutation_digest="y"
        )
    page.goto(f"{faces.url}/run/{plain}")
    expect(page.get_by_role("heading", level=1)).to_have_text("plain")
    expect(page.locator(".attributes")).to_have_count(0)
