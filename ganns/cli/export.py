"""`ganns export` and `ganns push`: write a trained generator as a folder for others, here or on a hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganns.cli.places import user_path
from ganns.utils.console import say

if TYPE_CHECKING:
    from ganns.export.trained_run import Facts
    from ganns.training.state import TrainingState


def export(
    run: Annotated[str, typer.Argument(help="A run's number (see `ganns runs`), or latest.")] = "latest",
    out: Annotated[
        Path | None, typer.Option(help="The folder to create; default: export/run-<number>.", parser=user_path)
    ] = None,
    best: Annotated[bool, typer.Option("--best", help="Use the best evaluated version instead of the newest.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Use the last weights instead of their average.")] = False,
    onnx: Annotated[bool, typer.Option("--onnx", help="Write ONNX as well (extra onnx).")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a model that was exported there before.")] = False,
) -> None:
    """Write a run's generator as safetensors with its settings, a model card and samples."""
    from ganns.export.folder import check_folder
    from ganns.export.folder import export as write

    if out is not None:
        check_folder(out, force=force)
    state, facts = _read_run(run, best=best)
    folder = write(
        out or Path("export") / f"run-{facts.run_id}", state, facts, averaged=not raw, onnx=onnx, force=force
    )
    names = ", ".join(sorted(path.name for path in folder.iterdir()))
    say(f"run {facts.run_id}, version {state.progress.version}, is in {folder}: {names}")
    say(f"draw with it, without a database:  ganns sample --from {folder}")


def push(
    run: Annotated[str, typer.Argument(help="A run's number (see `ganns runs`), or latest.")],
    name: Annotated[str, typer.Argument(help="The repository, OWNER/NAME; created if it does not exist.")],
    best: Annotated[bool, typer.Option("--best", help="Use the best evaluated version instead of the newest.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Use the last weights instead of their average.")] = False,
    onnx: Annotated[bool, typer.Option("--onnx", help="Upload ONNX as well (extra onnx).")] = False,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
) -> None:
    """Export a run's generator, and upload it to a hub (extra hub). Needs HF_TOKEN; HF_ENDPOINT names another hub."""
    import tempfile

    from ganns.export.folder import export as write
    from ganns.export.hub import Hub

    hub = Hub(name)
    state, facts = _read_run(run, best=best)
    version = state.progress.version
    with tempfile.TemporaryDirectory(prefix="ganns-push-") as folder:
        model = write(Path(folder) / "model", state, facts, averaged=not raw, onnx=onnx)
        place = hub.push(model, f"Run {facts.run_id}, version {version}", private=private)
    say(f"run {facts.run_id}, version {version}, is at {place}")
    say(f"draw with it, on any machine:  ganns sample --from {name}")


def _read_run(run: str, *, best: bool) -> tuple[TrainingState, Facts]:
    """Return a run's newest state, or the best one, and facts about the run."""
    from ganns.db.choose import coordinator_connection
    from ganns.export.trained_run import read_facts, read_state
    from ganns.store.runs import find_run

    with coordinator_connection() as conn:
        row = find_run(conn, run)
        state = read_state(conn, row, best=best)
        return state, read_facts(conn, row, state.progress.version)
