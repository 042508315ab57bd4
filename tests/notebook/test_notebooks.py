"""The notebooks run from their first cell to their last, with settings that take seconds, and keep no outputs.

Each runs in a kernel of its own, which is this interpreter whatever Jupyter knows of, in an empty folder. A cell that
the test adds at the end reports what was computed.
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from nbformat import NotebookNode

from ganns.config import GradientStrategy, OptimizerConfig, StopConfig, to_dict
from ganns.coordinator.create import create_run
from ganns.data import open_images
from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.export.model import write_model
from ganns.store import weights
from ganns.store.runs import list_runs
from ganns.training.solo import train_solo
from ganns.training.state import TrainingState
from tests.project.test_docs import check_command
from tests.support.fakes import publish_state, solo_digest, tiny
from tests.support.helpers import ROOT, wait_until

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
Run = Callable[..., dict[str, Any]]


# ------------------------------------------------------------------------------------------ what is in the files


@every_notebook
def test_files_are_valid_and_hold_no_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"  # every environment's own
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in notebook.cells) == 1


@every_notebook
def test_what_they_tell_the_reader_to_type_exists(path: Path) -> None:
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")
    spans = re.findall(r"`([^`\n]+)`", text)
    commands = [shlex.split(span)[1:] for span in spans if re.match(r"ganns \S", span)]
    assert commands
    for words in commands:
        check_command(words)
    for name in (span for span in spans if re.fullmatch(r"(docs|ganns)/[\w./-]+", span)):
        assert (ROOT / name).is_file(), name
    assert not re.search(r"\bTODO\b|/home/\w|/root\b|/tmp/\w", text)
    assert all(len(line) <= 140 or line.startswith("|") for line in text.splitlines())


# ------------------------------------------------------------------------------------------- what they compute


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a notebook and returns what its last cell reports."""
    # jupyter_core warns until it is told which folders to use; all of them are the test's.
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    for variable in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(variable, str(tmp_path / "jupyter" / variable.lower()))
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "home"))
    (tmp_path / "jupyter").mkdir()

    def execute(name: str, settings: dict[str, Any], report: str) -> dict[str, Any]:
        notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        place = next(k for k, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
        changed = "\n".join(f"{key} = {value!r}" for key, value in settings.items())
        notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(changed))
        notebook.cells.append(nbformat.v4.new_code_cell(f"import json\nprint(json.dumps({report}))"))
        _execute(notebook, tmp_path)
        shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        assert not [output.text for output in shown if output.get("name") == "stderr"]
        found: dict[str, Any] = json.loads(notebook.cells[-1].outputs[0].text)
        return found | {"pictures": sum("image/png" in output.get("data", {}) for output in shown)}

    return execute


def _execute(notebook: NotebookNode, folder: Path) -> None:
    """Run a notebook in a kernel that is gone afterwards, with all that it started."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    # Without folders to look into, python3 is ipykernel's own description: the interpreter that asks.
    specs = KernelSpecManager(kernel_dirs=[])
    assert specs.get_kernel_spec("python3").argv[0] == sys.executable
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs)
    # Sockets that are files, with short names: no port that another program takes meanwhile.
    sockets = tempfile.TemporaryDirectory(prefix="ganns-")
    manager.transport, manager.ip = "ipc", f"{sockets.name}/k"
    client = NotebookClient(notebook, timeout=240, startup_timeout=120, resources={"metadata": {"path": str(folder)}})
    client.km = manager  # not in the call: it would then be ours to end
    home = os.environ["GANNS_HOME"]  # no other process has this one
    try:
        with sockets:
            client.execute()
        wait_until(lambda: not processes_of(home), 60, lambda: f"the end of {processes_of(home)}", every_s=0.2)
    finally:
        for process in processes_of(home):
            process.kill()


def processes_of(home: str) -> list[psutil.Process]:
    """The other processes that have this GANNS_HOME: a kernel, and what it started."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("GANNS_HOME") == home:
                found.append(process)
        except (psutil.Error, OSError):  # gone meanwhile, or another user's
            continue
    return found


@pytest.mark.slow
def test_solo_dcgan(run: Run) -> None:
    found = run(
        "solo_dcgan",
        {"FEATURES": 4, "NUM_IMAGES": 72, "NUM_HELD_OUT": 16, "BATCH": 16, "EPOCHS": 2},
        """{
            "history": history,
            "solo": solo_history,
            "contrast": with_statistics.std().item(),
            "moved": (with_statistics - without).abs().mean().item(),
            "cosine": cosine,
            "leaked": leaked.norm().item(),
            "apart": apart,
            "distances": distances,
            "differences": differences,
            "snapshots": len(snapshots),
        }""",
    )
    assert len(found["history"]) == 10  # 4 batches of 16 and one of 8, twice
    assert found["history"][-1]["images"] == 144
    assert [row["images"] for row in found["solo"]] == [row["images"] for row in found["history"]]
    assert all(math.isfinite(value) for row in found["history"] for value in row.values())
    assert found["leaked"] > 0
    assert found["cosine"] < 0  # what leaks into D teaches it to be fooled
    assert found["contrast"] > 0
    assert found["moved"] > 1e-4  # without BatchNorm's statistics other images are drawn
    assert found["apart"]["training"] > 1e-3 > found["apart"]["eval"]
    assert max(found["differences"].values()) < 1e-4  # the gradients written out are the product's
    assert len(found["distances"]) == 4
    assert min(found["distances"].values()) > 0
    assert found["snapshots"] == 6
    assert found["pictures"] == 7


@pytest.mark.slow
def test_batchnorm(run: Run) -> None:
    found = run(
        "batchnorm",
        {},  # its own settings: it is small
        """{
            "wrong": wrong,
            "harmless": harmless,
            "repaired": repaired,
            "exchanges": num_exchanges,
            "ghost": ghost,
            "swapped": swapped,
            "apart": {name: one[channel].item() for name, one in apart.items()},
            "last": {name: losses[-1] for name, losses in curves.items()},
            "errors": errors,
        }""",
    )
    assert found["harmless"] < 1e-5 < 0.5 < found["wrong"]  # only BatchNorm makes the workers' sum another gradient
    assert found["repaired"] < 1e-5
    assert found["exchanges"] == 4  # two layers, forwards and backwards
    assert found["wrong"] / 2 > found["ghost"] > 1e-3
    assert found["swapped"] < 1e-6
    assert found["apart"]["each worker for itself"] < 1e-5 < 0.1 < found["apart"]["one process"]
    last = found["last"]
    assert last["sorted, synchronised"] == pytest.approx(last["one process"], rel=1e-3)
    assert last["shuffled, each for itself"] < last["sorted, each for itself"] / 2
    errors = found["errors"]
    assert max(errors["sums"]) < 1e-5
    assert errors["averages"][0] < 1e-5 < 0.02 < errors["averages"][1]
    assert min(errors["one worker's"]) > 0.02
    assert found["pictures"] == 4


@pytest.mark.slow
def test_gan_2d(run: Run) -> None:
    """Each claim of the text, for each of its five seeds."""
    found = run(
        "gan_2d",
        {},  # its own settings
        """{
            "modes": modes,
            "moves": last_moves,
            "ends": {name: [one[-1].item() for one in each] for name, each in distances.items()},
            "factors": {name: [float(one) for one in each] for name, each in factors.items()},
        }""",
    )
    modes, moves, ends, factors = (found[key] for key in ("modes", "moves", "ends", "factors"))
    assert {len(each) for each in (*modes.values(), *moves.values(), *ends.values())} == {5}
    assert max(map(max, modes["no cure"])) <= 2
    assert min(one[-1] for one in modes["R1"]) >= 7
    assert min(one[-1] for one in modes["packing"]) >= 4
    assert max(moves["R1"]) < 0.5 < min(moves["no cure"])
    assert min(ends["simultaneous"]) > 1  # where it began
    assert all(0.1 < end < 1 for end in ends["alternating"])
    for name in ("extragradient", "weak R1"):
        assert max(ends[name]) < 0.1
    assert max(ends["R1"] + ends["R1, momentum 0.9"]) < 1e-6
    assert min(ends["weak R1, momentum 0.9"]) > 1e6
    for name, (computed, measured) in factors.items():
        assert measured == pytest.approx(computed, abs=0.01), name
    assert factors["simultaneous"][0] == pytest.approx(math.sqrt(1 + 0.2**2 / 4))
    assert found["pictures"] == 3


@pytest.fixture
def trained(conn: Connection, database: Address, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> TrainingState:
    """A run in the test's database with a checkpoint, and the same model exported to `exported`."""
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    config = tiny(stop=StopConfig(rounds=12), seed=3, optimizer=OptimizerConfig(lr_g=1e-2, ema_decay=0.5))
    row, state = create_run(conn, config), TrainingState(config)
    for _ in train_solo(config, open_images(config.data, 32), state):
        pass
    state.save(tmp_path / "state")
    data = (tmp_path / "state").read_bytes()
    publish_state(conn, row.id, state.progress.version, data)
    assert weights.put_checkpoint(conn, row.id, state.progress.version, data)
    (tmp_path / "exported").mkdir()
    write_model(tmp_path / "exported", state, averaged=True)
    return state


DRAWN = """{
    "version": version,
    "seed": seed,
    "same": same,
    "contrast": images.std(dim=0).mean().item(),
    "mean": images.mean().item(),
    "lengths": {name: values.tolist() for name, values in lengths.items()},
    "variety": list(variety.values()),
    "twins": {name: one.mean().item() for name, one in twins.items()},
    "frames": num_frames,
}"""


@pytest.mark.slow
def test_sampling_a_run_and_an_exported_folder(run: Run, trained: TrainingState) -> None:
    from_run, from_folder = run("sampling", {}, DRAWN), run("sampling", {"FOLDER": "exported"}, DRAWN)
    assert (from_run["version"], from_run["seed"], from_run["same"]) == (12, 3, True)
    assert from_run["contrast"] > 1e-4  # 64 different images
    assert from_run["twins"]["averaged"] != from_run["twins"]["raw"]
    assert list(from_folder.pop("twins")) == ["averaged"]
    twins = from_run.pop("twins")
    assert len(twins) == 2
    assert from_folder == from_run  # the averaged generator, whichever way it came
    arc, line = from_run["lengths"]["on an arc"], from_run["lengths"]["on a straight line"]
    assert min(arc) > min(line)
    assert from_run["variety"] == sorted(from_run["variety"])
    assert from_run["frames"] == 24
    assert from_run["pictures"] == 5


@pytest.mark.slow
def test_comparing_runs(run: Run, conn: Connection, database: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a worker that the notebook starts, and that is gone in the end."""
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    config = tiny(stop=StopConfig(rounds=3), strategy=GradientStrategy(unit_images=16, micro_batch=8))
    common = [
        *(f"model.{key}={value}" for key, value in to_dict(config)["model"].items()),
        *("data.count=40", "data.holdout=8", "strategy.unit_images=16", "strategy.micro_batch=8"),
        *("quorum.units=2", "evaluate=never", "sample_every=0", "stop.epochs=null", "stop.rounds=3", "name=test"),
    ]
    found = run(
        "comparing_runs",
        {"COMMON": common, "SEEDS": [0]},
        """{
            "runs": run_ids,
            "keys": keys,
            "labels": [group.label for group in found],
            "digests": [states[run_id].weights_digest() for run_id in run_ids],
            "spread": [shown_images(state).std().item() for state in states.values()],
            "distances": distances,
            "lines": lines,
            "rounds": [len(one) for one in histories.values()],
        }""",
    )
    rows = {row["id"]: row for row in list_runs(conn)}
    assert sorted(rows) == found["runs"]
    assert all(row["state"] == "finished" and row["version"] == 3 for row in rows.values())
    assert found["keys"] == ["strategy.name"]
    assert found["labels"] == ["strategy.name=gradient", "strategy.name=local_steps"]
    assert found["digests"][0] == solo_digest(config)  # the worker computed what one process does
    assert found["digests"][0] != found["digests"][1]
    assert found["rounds"] == [3, 3]
    assert min(found["spread"]) > 0
    assert len(found["distances"]) == 2
    assert "One seed tells little" in found["lines"][-1]
    assert found["pictures"] == 3
