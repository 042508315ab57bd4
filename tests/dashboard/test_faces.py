"""A click on a face: D's answers, the walk to another face, and what the page says where weights are not kept."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, expect

from ganns.config import ModelConfig, to_dict
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.export.drawing_process import Drawer
from ganns.export.shown_faces import Version, answers
from ganns.pictures.grid import grid
from ganns.store import runs, weights
from ganns.store.samples import put_sample
from ganns.training import dcgan
from ganns.training.batchnorm import measure_statistics
from ganns.training.seeds import noise, sample_labels
from ganns.training.serialization import digest
from ganns.training.state import Progress, TrainingState
from tests.dashboard.conftest import Site, serving
from tests.support.fakes import publish_state, tiny

MODEL = ModelConfig(image_size=32, latent_dim=8, features_g=4, features_d=4)
CONDITIONAL = replace(MODEL, conditional=True, attributes="Eyeglasses,Smiling")
CHECKPOINT, ON_DISK, GONE, PASSING = 40, 20, 10, 30
"""Versions: the newest checkpoint, one in a file, one that has a grid alone, and one that will be written over."""


def changed(model: ModelConfig, version: int) -> TrainingState:
    """A state whose averaged generator, generator and statistics differ from one another, and by version."""
    state = TrainingState(tiny(model=model))
    rng = torch.Generator().manual_seed(version)
    with torch.no_grad():
        for name, tensor in state.tensors().items():
            if not name.startswith("optimizer"):
                tensor.add_(0.05 * torch.rand(tensor.shape, generator=rng))
    state.progress = Progress(version)
    return state


def store(address: Address, home: Path, model: ModelConfig) -> int:
    """A run with four grids; the weights of two of them, and of version 0, are kept."""
    with connect(address) as conn:
        run = runs.create_run(
            conn,
            name="faces",
            config=to_dict(tiny(model=model)),
            fingerprint="x",
            num_images=40,
            permutation_digest="y",
        )
        folder = home / "state" / runs.get_run(conn, run).key
        for version in (GONE, ON_DISK, PASSING, CHECKPOINT):
            state = changed(model, version)
            path = folder / "state"
            (folder / "kept").mkdir(parents=True, exist_ok=True)
            state.save(path)
            data = path.read_bytes()
            publish_state(conn, run, version, data)
            runs.set_progress(conn, run, version=version, images=16 * version)
            if version == CHECKPOINT:
                assert weights.put_checkpoint(conn, run, version, data)
            if version in (ON_DISK, PASSING):
                place = folder / "kept" if version == ON_DISK else folder
                (place / f"version-{version:06}-{digest(data)}.safetensors").write_bytes(data)
            picture = io.BytesIO()
            grid(state.draw(noise(tiny().seed, 64, 8), averaged=True)).save(picture, "WEBP")
            put_sample(conn, run, version, picture.getvalue())
    return run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def run(empty_database: Address, home: Path) -> int:
    return store(empty_database, home, MODEL)


@pytest.fixture(scope="module")
def drawer(empty_database: Address, run: int, home: Path) -> Iterator[Drawer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANNS_HOME", str(home))
        yield Drawer(empty_database)


def networks(model: ModelConfig, version: int) -> tuple[dcgan.Generator, dcgan.Discriminator]:
    """The averaged generator and the discriminator of a version, put together from the state's tensors."""
    tensors = changed(model, version).tensors() if version else TrainingState(tiny(model=model)).tensors()
    made = dcgan.Generator(model), dcgan.Discriminator(model)
    for network, prefixes in zip(made, (("g.", "ema."), ("d.",)), strict=True):
        for prefix in prefixes:  # of a conditional network the average has the generator's statistics
            found = {name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)}
            network.load_state_dict(found, strict=False)
    measure_statistics(made[0], model)
    return made


@torch.no_grad()
def expected_answers(model: ModelConfig, version: int) -> list[float]:
    generator, discriminator = networks(model, version)
    labels = sample_labels(model)
    more = () if labels is None else (labels,)
    faces = generator.eval()(noise(tiny().seed, 64, 8), *more)
    found: list[float] = (1 / (1 + (-discriminator.train()(faces, *more)).exp())).tolist()
    return found


@torch.no_grad()
def expected_walk(model: ModelConfig, version: int, face: int, to: int) -> np.ndarray:
    """Nine images, uint8 [9, 32, 32, 3]; the arc is computed another way, by turning in the plane of both ends."""
    latent, labels = noise(tiny().seed, 64, 8), sample_labels(model)
    here, there = latent[face], latent[to]
    share = torch.linspace(0, 1, 9)[:, None]
    cosine = torch.dot(here, there) / here.norm() / there.norm()
    angle = torch.acos(cosine)
    weights_of = torch.sin((1 - share) * angle), torch.sin(share * angle)
    points = (weights_of[0] * here + weights_of[1] * there) / torch.sin(angle)
    more = () if labels is None else ((1 - share) * labels[face] + share * labels[to],)
    images = networks(model, version)[0].eval()(points, *more)
    return ((images.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()


def tiles(picture: bytes) -> np.ndarray:
    """The nine images of a walk, each made small again, float [9, 32, 32, 3]."""
    with Image.open(io.BytesIO(picture)) as found:
        side = (found.width - 2) // 9 - 2
        parts = [found.crop((2 + k * (side + 2), 2, 2 + k * (side + 2) + side, 2 + side)) for k in range(9)]
        return np.stack([np.asarray(one.convert("RGB").resize((32, 32), Image.Resampling.BOX)) for one in parts]) / 1.0


@pytest.mark.parametrize("version", [0, ON_DISK, CHECKPOINT])
def test_d_answers_for_each_version_that_is_kept(drawer: Drawer, run: int, version: int) -> None:
    head, picture = drawer.answer({"ask": "answers", "run": run, "version": version})
    assert (head["version"], head["kept"], picture) == (version, [0, ON_DISK, CHECKPOINT], b"")
    assert head["answers"] == pytest.approx(expected_answers(MODEL, version), abs=1e-3)
    assert len(set(head["answers"])) > 1


@pytest.mark.parametrize("version", [GONE, PASSING, 35])
def test_the_newest_kept_version_answers_for_one_that_is_not(drawer: Drawer, run: int, version: int) -> None:
    head, _ = drawer.answer({"ask": "answers", "run": run, "version": version})
    assert head["version"] == CHECKPOINT
    head, _ = drawer.answer({"ask": "walk", "run": run, "version": version, "face": 0, "to": 1})
    assert head == {"error": f"The weights of version {version} are not kept any more."}


def test_a_version_with_weights_that_are_no_numbers_has_no_answers() -> None:
    state = changed(MODEL, 1)
    with torch.no_grad():
        next(iter(state.networks["d"].parameters())).fill_(torch.nan)
    assert answers(Version.of(state)) == [None] * 64


@pytest.mark.parametrize("version", [0, CHECKPOINT])
def test_a_walk_is_what_the_averaged_generator_draws_on_the_arc(drawer: Drawer, run: int, version: int) -> None:
    head, picture = drawer.answer({"ask": "walk", "run": run, "version": version, "face": 63, "to": 7})
    assert head == {"size": len(picture)}
    assert np.abs(tiles(picture) - expected_walk(MODEL, version, 63, 7)).mean() < 6  # WebP, and made smaller again


def test_on_a_walk_of_a_conditional_model_the_labels_change_too(empty_database: Address, home: Path) -> None:
    run = store(empty_database, home, CONDITIONAL)
    drawer = Drawer(empty_database)
    question = {"run": run, "version": CHECKPOINT}
    _, picture = drawer.answer(question | {"ask": "walk", "face": 0, "to": 8})  # without glasses, and with them
    assert np.abs(tiles(picture) - expected_walk(CONDITIONAL, CHECKPOINT, 0, 8)).mean() < 6
    head, _ = drawer.answer(question | {"ask": "answers"})
    assert head["answers"] == pytest.approx(expected_answers(CONDITIONAL, CHECKPOINT), abs=1e-3)


# ---------------------------------------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def faces(empty_database: Address, run: int, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(empty_database, tmp_path_factory.mktemp("site"), GANNS_HOME=str(home)) as site:
        yield site


@pytest.mark.slow
def test_anybody_may_ask(faces: Site, run: int) -> None:
    with httpx.Client(base_url=faces.url, timeout=60) as viewer:
        found = viewer.get(f"/answers/{run}/{GONE}.json?seen=40").json()
        assert found["version"] == CHECKPOINT
        assert found["answers"] == pytest.approx(expected_answers(MODEL, CHECKPOINT), abs=1e-3)
        walk = viewer.get(f"/walks/{run}/{CHECKPOINT}.webp?face=3&to=4&seen=40")
        assert walk.headers["content-type"] == "image/webp"
        assert np.abs(tiles(walk.content) - expected_walk(MODEL, CHECKPOINT, 3, 4)).mean() < 6
        assert viewer.get(f"/walks/{run}/{GONE}.webp?face=3&to=4&seen=40").status_code == 409
        assert viewer.get("/answers/99/0.json?seen=0").status_code == 409
        for odd in (
            f"/walks/{run}/0.webp?face=64&to=4&seen=40",
            f"/answers/{run}/-1.json?seen=1",
            f"/answers/{run}/0.json",
        ):
            assert viewer.get(odd).status_code == 422


@pytest.mark.slow
@pytest.mark.parametrize("width", [1920, 1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_face_has_a_history_a_verdict_and_a_walk(page: Page, faces: Site, run: int, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{faces.url}/run/{run}")
    page.get_by_role("button", name="one face").press("Enter")
    one = page.locator(".face")
    expected = expected_answers(MODEL, CHECKPOINT)
    expect(one.locator(".verdict")).to_contain_text(f"D answers {expected[0]:.2f}: it ")
    expect(one.locator(".verdict")).not_to_contain_text("not kept")
    expect(one.locator(".versions li")).to_have_count(4)
    expect(one.locator(".versions li").nth(0)).to_have_text("10D: –")
    expect(one.locator(".versions li").nth(1)).to_have_text(f"20D: {expected_answers(MODEL, ON_DISK)[0]:.2f}")
    expect(one).to_contain_text("not kept any more, so its D cannot be asked")

    walk = one.get_by_role("group", name="A walk to another face")
    expect(walk.get_by_role("img")).to_have_count(9)
    expect(walk.get_by_role("img").first).to_have_accessible_name("Drawn again: face 1")
    expect(walk.get_by_role("img").last).to_have_accessible_name("Drawn again: face 2")
    walk.get_by_label("to face").fill("64")
    expect(walk.get_by_role("img").last).to_have_accessible_name("Drawn again: face 64")
    walk.get_by_role("button", name="random").press("Enter")
    expect(walk.get_by_role("img").last).not_to_have_accessible_name("Drawn again: face 64")
    page.get_by_label("face", exact=True).fill("9")
    expect(one.locator(".verdict")).to_contain_text(f"D answers {expected[8]:.2f}")
    expect(walk.get_by_role("img").last).to_have_accessible_name("Drawn again: face 10")

    page.get_by_role("slider", name="Version").press("Home")
    expect(one.locator(".verdict")).to_contain_text(
        "The weights of version 10 are not kept any more. Version 40 answers"
    )
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert not Axe().run(page, context=".samples").response["violations"]
