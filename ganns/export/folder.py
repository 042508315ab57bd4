"""The folder that `ganns export` makes: weights, config.json, model card, samples, and ONNX on request."""

from __future__ import annotations

from pathlib import Path

from ganns.errors import ExportError
from ganns.export.model import CARD, CONFIG, ONNX, SAMPLES, describe, write_model
from ganns.export.model_card import model_card
from ganns.export.onnx import require_onnx, write_onnx
from ganns.export.trained_run import Facts
from ganns.pictures.grid import grid, save
from ganns.training.seeds import sample_noise
from ganns.training.state import TrainingState
from ganns.utils.atomic import replacing


def export(
    folder: Path, state: TrainingState, facts: Facts, *, averaged: bool = True, onnx: bool = False, force: bool = False
) -> Path:
    """Write all files into a new folder, completely or not at all; return it.

    Args:
        folder: the new folder; missing parent folders are made.
        state: the version to export.
        facts: for the model card.
        averaged: the moving average of the generator (True) or the generator itself.
        onnx: write `generator.onnx` too.
        force: replace an existing exported model (but never another folder).

    Raises:
        ExportError: if the folder exists, or the files cannot be written.
        MissingExtra: `onnx` without its packages.
    """
    check_folder(folder, force=force)
    if onnx:
        require_onnx()
    try:
        with replacing(folder) as part:
            part.mkdir()
            _write(part, state, facts, averaged=averaged, onnx=onnx)
    except OSError as error:
        raise ExportError(f"{folder} cannot be written: {error.strerror or error}.") from error
    return folder


def _write(folder: Path, state: TrainingState, facts: Facts, *, averaged: bool, onnx: bool) -> None:
    source = {"run": facts.run_id, "name": facts.name, "fingerprint": facts.fingerprint, "images": facts.num_images}
    write_model(folder, state, averaged=averaged, source=source)
    save(grid(state.draw(sample_noise(state.config), averaged=averaged)), folder / SAMPLES)
    if onnx:
        model = state.config.model
        write_onnx(state.generator(averaged=averaged), model.latent_dim, folder / ONNX, len(model.labels))
    (folder / CARD).write_text(model_card(state, facts, averaged=averaged, onnx=onnx), encoding="utf-8")


def check_folder(folder: Path, *, force: bool = False) -> None:
    """Make sure that we may write `folder`, before we compute its files.

    Raises:
        ExportError: if it exists and `force` is not given, or it holds files that we did not write.
    """
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / CONFIG).is_file()):
        raise ExportError(f"{folder} is there already, and no exported model: choose another --out.")
    if any(folder.iterdir()):
        describe(folder)  # ours, or an error
        if not force:
            raise ExportError(f"{folder} is there already: choose another --out, or replace it with --force.")
