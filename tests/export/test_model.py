"""An exported generator: read back it draws the same images, and what is damaged or foreign is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from ganns.cli.app import app
from ganns.config import (
    NAMES,
    OPTIONS,
    Config,
    GradientStrategy,
    ModelConfig,
    NoStore,
    QuorumConfig,
    S3Store,
    StopConfig,
    SyntheticData,
    from_dict,
)
from ganns.data import images_of, open_images
from ganns.errors import ConfigError, ExportError, MissingExtra
from ganns.export import onnx
from ganns.export.drawing import slide_rows
from ganns.export.folder import export
from ganns.export.model import CONFIG, ONNX, WEIGHTS, describe, load, public_settings, tensors_of
from ganns.export.model_card import DATA, RIGHTS
from ganns.export.trained_run import Contributor, Facts, merge
from ganns.training.networks import sample
from ganns.training.seeds import sample_noise
from ganns.training.serialization import digest, write_file
from ganns.training.solo import train_solo
from ganns.training.state import TrainingState

SMALL = Config(
    name="test",
    seed=3,
    model=ModelConfig(image_size=32, latent_dim=8, features_g=4, features_d=4),
    data=SyntheticData(count=40, holdout=8),
    strategy=GradientStrategy(unit_images=8, micro_batch=8),
    quorum=QuorumConfig(units=2),
    stop=StopConfig(rounds=3),
)
FACTS = Facts(7, "test", "synthetic-abc", 40, {"d_loss": 1.25}, [Contributor("ada", 3, 24, 1)])


@pytest.fixture(scope="module")
def state() -> TrainingState:
    """A state that has learned a little: its average differs from the generator, and BatchNorm has seen something."""
    state = TrainingState(SMALL)
    for _ in train_solo(SMALL, open_images(SMALL.data, 32), state):
        pass
    return state


@pytest.fixture
def folder(tmp_path: Path, state: TrainingState) -> Path:
    """A folder with the exported generator."""
    return export(tmp_path / "models" / "faces", state, FACTS)


@pytest.mark.parametrize("averaged", [True, False])
def test_what_was_exported_draws_the_same_images(averaged: bool, tmp_path: Path, state: TrainingState) -> None:
    generator = load(export(tmp_path / "one", state, FACTS, averaged=averaged))
    latent = sample_noise(SMALL)
    assert not generator.training
    with torch.no_grad():
        assert torch.equal(generator(latent), state.draw(latent, averaged=averaged))
        assert not torch.equal(generator(latent), state.draw(latent, averaged=not averaged))


def test_the_folder_holds_what_is_needed_and_nothing_that_is_executable(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["README.md", "config.json", "generator.safetensors", "samples.png"]
    assert not any(path.suffix in (".pt", ".pkl", ".bin") for path in folder.iterdir())
    info = describe(folder)
    assert (info.model, info.seed, info.version, info.images) == (SMALL.model, 3, 3, 48)
    content = json.loads((folder / CONFIG).read_text())
    assert content["source"]["fingerprint"] == "synthetic-abc"
    assert content["settings"]["optimizer"]["lr_g"] == SMALL.optimizer.lr_g


def test_a_folder_that_is_there_is_replaced_only_with_force(folder: Path, state: TrainingState) -> None:
    with pytest.raises(ExportError, match="is there already: choose another --out, or replace it with --force"):
        export(folder, state, FACTS)
    (folder / "samples.png").unlink()
    export(folder, state, FACTS, force=True)
    assert (folder / "samples.png").is_file()
    assert [path.name for path in folder.parent.iterdir()] == ["faces"]


def test_the_place_of_the_weights_is_not_exported() -> None:
    config = replace(SMALL, store=S3Store(bucket="faces", endpoint="http://10.0.0.5:9000"))
    settings = public_settings(config)
    assert "10.0.0.5" not in json.dumps(settings)
    assert from_dict(settings).store == NoStore()


def test_force_replaces_no_other_folder(tmp_path: Path, state: TrainingState) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ExportError, match="no exported model: choose another --out"):
        export(tmp_path, state, FACTS, force=True)
    (tmp_path / CONFIG).write_text("{}")
    with pytest.raises(ExportError, match=r"config\.json is not the description of an exported model"):
        export(tmp_path, state, FACTS, force=True)
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_an_export_that_fails_leaves_nothing(
    tmp_path: Path, state: TrainingState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ganns.export.folder.model_card", full)
    with pytest.raises(ExportError, match="No space left on device"):
        export(tmp_path / "faces", state, FACTS)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------ damaged and foreign


def test_a_changed_byte_is_noticed(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-5] ^= 1
    (folder / WEIGHTS).write_bytes(data)
    with pytest.raises(ExportError, match="is damaged, or of another model"):
        load(folder)


def test_what_was_cut_off_is_noticed(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: len(data) // 2])
    with pytest.raises(ExportError, match="is damaged"):
        load(folder)


def rewrite(folder: Path, **changes: object) -> None:
    content = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(content | changes))


def with_digest(folder: Path) -> None:
    rewrite(folder, weights={"digest": digest((folder / WEIGHTS).read_bytes())})


def test_a_pickle_is_refused_even_with_the_right_digest(folder: Path) -> None:
    torch.save({"layers.0.weight": torch.zeros(2)}, folder / WEIGHTS)
    with_digest(folder)
    with pytest.raises(ExportError, match="is damaged, or of another model"):
        load(folder)


@pytest.mark.parametrize("change", ["more", "fewer", "shape", "type"])
def test_tensors_that_do_not_fit_are_refused(change: str, folder: Path, state: TrainingState) -> None:
    tensors = tensors_of(state.generator(averaged=True))
    name = "layers.1.weight"
    if change == "more":
        tensors["layers.99.weight"] = torch.zeros(1)
    elif change == "fewer":
        del tensors[name]
    else:
        tensors[name] = torch.zeros(3) if change == "shape" else tensors[name].half()
    write_file(folder / WEIGHTS, tensors, {})
    with_digest(folder)
    named = r"layers\.99\.weight" if change == "more" else r"layers\.1\.weight"
    with pytest.raises(ExportError, match=rf"does not fit the model .*: {named} is"):
        load(folder)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": "stylegan"}, "its format is 'stylegan'"),
        ({"model": {"image_size": 48}}, "image_size=48 is not known"),
        ({"model": {"features_g": 10**9}}, "features_g=1000000000 is out of range"),
        ({"model": {"layers": 3}}, "model.layers is not a setting"),
        ({"model": None}, ""),
        ({"weights": {}}, "'digest' is missing"),
        ({"seed": "x"}, "invalid literal"),
    ],
)
def test_a_description_that_is_not_ours_is_refused(changes: dict[str, object], reason: str, folder: Path) -> None:
    rewrite(folder, **changes)
    with pytest.raises(ExportError, match=rf"config\.json is not the description of an exported model \(.*{reason}"):
        load(folder)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000])
def test_a_description_that_is_no_json_object_is_refused(text: str, folder: Path) -> None:
    (folder / CONFIG).write_text(text)
    with pytest.raises(ExportError, match="is not the description of an exported model"):
        load(folder)


def test_a_missing_folder_or_file_is_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ExportError, match=r"nowhere: it has no config\.json\. `ganns export` makes one"):
        load(tmp_path / "nowhere")
    (folder / WEIGHTS).unlink()
    with pytest.raises(ExportError, match=r"generator\.safetensors cannot be read"):
        load(folder)


# ---------------------------------------------------------------------------------------------------------- ONNX


def test_onnx_draws_what_torch_draws(tmp_path: Path, state: TrainingState) -> None:
    import onnxruntime

    folder = export(tmp_path / "faces", state, FACTS, onnx=True)
    session = onnxruntime.InferenceSession(folder / ONNX, providers=["CPUExecutionProvider"])
    [latent], [images] = session.get_inputs(), session.get_outputs()
    assert (latent.name, latent.shape[1:]) == ("latent", [8])
    assert (images.name, images.shape[1:]) == ("images", [3, 32, 32])
    for count in (1, 2, 5, 64):  # the batch's size is free
        noise = torch.randn(count, 8)
        drawn = torch.from_numpy(session.run(["images"], {"latent": noise.numpy()})[0])
        assert drawn.shape == (count, 3, 32, 32)
        torch.testing.assert_close(drawn, sample(load(folder), noise), rtol=0, atol=1e-4)
    assert (
        b"ganns/training/dcgan.py" not in (folder / ONNX).read_bytes()
    )  # the exporter notes lines and paths of source files
    assert "generator.onnx" in (folder / "README.md").read_text()


# ---------------------------------------------------------------------------------------------- conditional


@pytest.fixture(scope="module")
def conditional() -> TrainingState:
    model = replace(SMALL.model, conditional=True, attributes="Eyeglasses,Smiling")
    config = replace(SMALL, model=model, stop=StopConfig(rounds=1))
    state = TrainingState(config)
    list(train_solo(config, images_of(config), state))
    return state


def test_a_conditional_model_is_exported_with_its_labels(tmp_path: Path, conditional: TrainingState) -> None:
    import onnxruntime

    folder = export(tmp_path / "faces", conditional, FACTS, onnx=True)
    assert describe(folder).model.labels == ("Eyeglasses", "Smiling")
    content = json.loads((folder / CONFIG).read_text())
    assert content["labels"] == "labels: float32 [N, 2], from 0 (absent) to 1 (there): Eyeglasses, Smiling"
    card = (folder / "README.md").read_text()
    assert "Attributes can be chosen: Eyeglasses, Smiling." in card
    assert "generator(torch.randn(16, 8), labels)" in card
    assert "a second input" in card.lower()
    latent, labels = torch.randn(5, 8), torch.rand(5, 2)
    drawn = sample(load(folder), latent, labels)
    assert torch.equal(drawn, conditional.draw(latent, averaged=True, labels=labels))
    session = onnxruntime.InferenceSession(folder / ONNX, providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == ["latent", "labels"]
    [images] = session.run(["images"], {"latent": latent.numpy(), "labels": labels.numpy()})
    torch.testing.assert_close(torch.from_numpy(images), drawn, rtol=0, atol=1e-4)


def test_attributes_are_chosen_on_the_command_line(
    tmp_path: Path, conditional: TrainingState, state: TrainingState
) -> None:
    folder, plain = export(tmp_path / "faces", conditional, FACTS), export(tmp_path / "plain", state, FACTS)

    def draw(name: str, *arguments: str) -> bytes:
        done = CliRunner().invoke(app, ["sample", "--from", str(folder), "--out", str(tmp_path / name), *arguments])
        if done.exception is not None:
            raise done.exception
        return (tmp_path / name).read_bytes()

    with_glasses = draw("a.png", "--set", "glasses=1", "--count", "8")
    assert with_glasses == draw("b.png", "--set", "Eyeglasses=1,smile=0", "--count", "8")
    assert with_glasses != draw("c.png", "--set", "glasses=0", "--count", "8")
    draw("d.png", "--slide", "smile", "--count", "2")
    with Image.open(tmp_path / "d.png") as picture:
        assert picture.width > 3 * picture.height  # two rows of eight
    walk = tmp_path / "smile.gif"
    draw("a.png", "--slide", "smile", "--count", "1", "--walk", str(walk))
    with Image.open(walk) as film:
        assert film.n_frames > 20
    with pytest.raises(ConfigError, match="hat is no attribute of this model, which has glasses, smile"):
        draw("e.png", "--set", "hat=1")
    with pytest.raises(ConfigError, match=r"--slide chooses attributes, and .* has none: it was trained without"):
        draw("f.png", "--slide", "smile", "--from", str(plain))


def test_a_slider_s_ends_are_the_two_labels(conditional: TrainingState) -> None:
    generator, latent = conditional.generator(averaged=True), torch.randn(3, 8)
    without, there = torch.tensor([[1.0, 0.0]]).expand(3, -1), torch.tensor([[1.0, 1.0]]).expand(3, -1)
    rows = slide_rows(generator, latent, without, 1).unflatten(0, (3, 8))
    torch.testing.assert_close(rows[:, 0], sample(generator, latent, without))
    torch.testing.assert_close(rows[:, -1], sample(generator, latent, there))
    assert torch.equal(without, torch.tensor([[1.0, 0.0]] * 3))


def test_without_the_package_nothing_is_written(
    tmp_path: Path, state: TrainingState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(MissingExtra, match=r"pip install .*\[onnx\]'"):
        export(tmp_path / "faces", state, FACTS, onnx=True)
    with pytest.raises(MissingExtra):
        onnx.write_onnx(state.generator(averaged=True), 8, tmp_path / ONNX)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------------------------------------- model card


def card(folder: Path) -> str:
    return (folder / "README.md").read_text()


def test_the_card_says_what_the_run_was(folder: Path) -> None:
    text = card(folder)
    for part in (
        "pipeline_tag: unconditional-image-generation",
        "\nlicense: mit\n",
        "\n  - synthetic\n",
        "# test",
        "(samples.png)",
        "synthetic-abc",
        "| run | 7 |",
        "| rounds | 3 |",
        "| images seen, repeats counted | 48 |",
        "| d\\_loss | 1.25 |",
        "| ada | 3 | 24 | 1 |",
        "| `optimizer.lr_g` | `0.0002` |",
        "torch.randn(16, 8)",
        "ganns sample --from",
    ):
        assert part in text, part
    assert "CelebA" not in text


@pytest.mark.parametrize(
    ("data", "part", "terms"),
    [
        (
            "celeba",
            "non-commercial research",
            "\nlicense: other\nlicense_name: celeba-agreement\nlicense_link: https://",
        ),
        ("image_folder", "does not know", "\nlicense: unknown\n"),
    ],
)
def test_the_card_says_whose_the_images_are(data: str, part: str, terms: str, tmp_path: Path) -> None:
    config = Config(model=SMALL.model, data=OPTIONS["data"][data](path="/ada/has/this"), stop=StopConfig(rounds=1))
    text = card(export(tmp_path / "faces", TrainingState(config), Facts(1)))
    assert part in text
    assert terms in text.partition("---\n\n")[0]
    assert "/ada" not in text + (tmp_path / "faces" / CONFIG).read_text()
    assert "# An image generator" in text


def test_every_kind_of_data_has_its_words() -> None:
    assert set(DATA) == set(RIGHTS) == set(NAMES["data"])


def test_typed_names_stay_text(tmp_path: Path, state: TrainingState) -> None:
    evil = "x | <script>alert(1)</script>\n# [y](http://z) `q`"
    shutil.rmtree(tmp_path / "faces", ignore_errors=True)
    text = card(export(tmp_path / "faces", state, Facts(1, evil, contributors=[Contributor(evil, 1, 8, 0)])))
    row = next(line for line in text.splitlines() if line.startswith("| x"))
    assert row == "| x \\| &lt;script&gt;alert(1)&lt;/script&gt; \\# \\[y\\](http://z) \\`q\\` | 1 | 8 | 0 |".replace(
        "(1)", "\\(1\\)"
    ).replace("(http://z)", "\\(http://z\\)")
    assert "<script>" not in text


def test_published_names_name_no_machines() -> None:
    found = [Contributor("ada@lab-3.example", 2, 16, 0), Contributor("eve", 3, 24, 2), Contributor("ada", 2, 16, 1)]
    assert merge([*found, Contributor("@host", 0, 0, 1)]) == [
        Contributor("ada", 4, 32, 1),
        Contributor("eve", 3, 24, 2),
        Contributor("unknown", 0, 0, 1),
    ]
