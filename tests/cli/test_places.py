"""Homes, working folders and output files that cannot be used: one sentence each, for every command."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ganns import paths
from ganns.cli import app as application
from ganns.db import address, joined
from ganns.errors import ConfigError
from ganns.export.model import write_model
from ganns.observers.samples import SampleGrids
from ganns.training.state import TrainingState
from tests.comparison.test_replay import trained
from tests.support.fakes import tiny

SYSTEM = Path("/sys")
"""A folder in which not even root may make a file."""
linux = pytest.mark.skipif(not SYSTEM.is_dir(), reason="there is no /sys")


@pytest.fixture(autouse=True)
def _logging_stays() -> Iterator[None]:
    """Hydra changes it."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def ganns(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> tuple[int, str]:
    """Run a command in this process; return its exit code, and what it said on stderr in one line."""
    monkeypatch.setattr(sys, "argv", ["ganns", *map(str, words)])
    monkeypatch.setattr(logging.root, "handlers", [])  # of an earlier command in this process, whose stderr is closed
    with pytest.raises(SystemExit) as stopped:
        application.main()
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert isinstance(stopped.value.code, int)
    return stopped.value.code, " ".join(said.split())


# ------------------------------------------------------------------------------------------------------------ homes

HOMES = {
    "unset, and the system knows no user": (None, None),
    "the system's": (str(SYSTEM), None),
    "a file": ("FILE", None),
    "below a file": ("FILE/below", None),
    "GANNS_HOME is a file": (None, "FILE"),
    "GANNS_HOME is below a file": (None, "FILE/below"),
    "GANNS_HOME is nobody's": (None, "~no-such-user/x"),
}
NEEDING_A_HOME = [
    ["runs"],
    ["db", "init"],
    ["data", "info", "data=synthetic"],
    ["exercise", "start", "1"],
    ["join", "host=x"],
]


@pytest.fixture(params=HOMES)
def home(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Set a home that cannot be used, and return how it should be named."""
    if request.param == "the system's" and not SYSTEM.is_dir():
        pytest.skip("there is no /sys")
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    user, ours = (one and one.replace("FILE", str(tmp_path / "file")) for one in HOMES[request.param])
    for name in (address.URL_VARIABLE, *address.PG_VARIABLES, "HOME", "USERPROFILE", "GANNS_HOME"):
        monkeypatch.delenv(name, raising=False)
    if user is not None:
        monkeypatch.setenv("HOME", user)
    if ours is not None:
        monkeypatch.setenv("GANNS_HOME", ours)
    if user is ours is None:
        monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])  # a container's user without a name
    return ours or "~/.ganns"


def test_a_home_that_cannot_be_used_is_a_sentence(home: str, capfd, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="GANNS_HOME"):
        paths.home()
    assert joined.load() is None
    assert not joined.forget()
    for command in NEEDING_A_HOME:
        code, said = ganns(capfd, monkeypatch, *command)
        assert code == 2, command
        assert said.startswith(f"Error: The folder {home} cannot be used ("), command
        assert "GANNS_HOME" in said, command


def test_what_needs_no_home_works_without_one(home: str, capfd, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    (tmp_path / "m").mkdir()
    write_model(tmp_path / "m", TrainingState(tiny()), averaged=True)
    for command in (
        ["leave"],
        ["sample", "--from", "m", "--count", "1"],
        ["train", "--cfg", "job"],
        ["plugin", "list"],
    ):
        code, said = ganns(capfd, monkeypatch, *command)
        assert (code, said) == (0, ""), command
    code, said = ganns(capfd, monkeypatch, "worker")
    assert said.startswith("Error: No database address") or "GANNS_DATABASE_URL" in said


def test_the_doctor_says_so(home: str) -> None:
    from ganns.doctor.machine import check_disk, check_home

    found = check_home()
    assert (found.state, "cannot be written" in found.said) == ("problem", True)
    assert check_disk().said


@pytest.mark.parametrize("name", ["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "MPLCONFIGDIR"])
def test_other_programs_folders_are_not_ours(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(name, str(tmp_path / "file"))
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "home"))
    assert paths.home() == (tmp_path / "home").resolve()


# -------------------------------------------------------------------------------------------------- working folders

WRITING = [
    ["train", "experiment=smoke"],
    ["train", "-m", "experiment=smoke", "seed=1,2"],
    ["solo", "experiment=smoke"],
    ["demo", "--no-dashboard"],
    ["sample", "--from", "MODEL", "--count", "1"],
    ["timelapse", "GRIDS", "learned.gif"],
    ["exercise", "start", "1"],
    ["data", "pack", "pack", "data=image_folder", "data.path=GRIDS", "data.holdout=1", "model=dcgan32"],
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A model, and a folder of grids."""
    folder, state = tmp_path_factory.mktemp("made"), TrainingState(tiny())
    (folder / "model").mkdir()
    write_model(folder / "model", state, averaged=True)
    grids = SampleGrids(folder / "grids")
    for version in range(4):
        state.progress = replace(state.progress, version=version)
        grids.save(state)
    return {"MODEL": str(folder / "model"), "GRIDS": str(folder / "grids")}


def with_places(words: list[str], made: dict[str, str]) -> list[str]:
    for name, place in made.items():
        words = [word.replace(name, place) for word in words]
    return words


@pytest.mark.parametrize("command", WRITING, ids=" ".join)
def test_a_working_folder_that_was_deleted(
    command: list[str], made: dict[str, str], capfd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    code, said = ganns(capfd, monkeypatch, *with_places(command, made))
    assert (code, said) == (1, "Error: The working folder is not there any more: `cd` to another one.")


@linux
@pytest.mark.parametrize("command", WRITING, ids=" ".join)
def test_a_working_folder_in_which_nobody_may_write(
    command: list[str], made: dict[str, str], capfd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(SYSTEM)
    code, said = ganns(capfd, monkeypatch, *with_places(command, made))
    assert code == 1
    assert ("cannot be used (" in said and str(SYSTEM) in said) or "0 MB free" in said


# ---------------------------------------------------------------------------------------------------- output files

OUTPUTS = [
    ["sample", "--from", "MODEL", "--count", "1", "--out", "OUT.png"],
    ["sample", "--from", "MODEL", "--count", "2", "--walk", "OUT.gif"],
    ["timelapse", "GRIDS", "OUT.gif"],
]


@pytest.mark.parametrize("out", ["a folder", "below a file", "a dot"])
@pytest.mark.parametrize("command", OUTPUTS, ids=lambda words: " ".join(words))
def test_an_output_that_cannot_be_a_file(
    command: list[str], out: str, made: dict[str, str], capfd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    ending = command[-1].removeprefix("OUT")
    (tmp_path / f"folder{ending}").mkdir()
    place = {"a folder": f"folder{ending}", "below a file": f"file/x{ending}", "a dot": "."}[out]
    code, said = ganns(capfd, monkeypatch, *with_places(command[:-1], made), place)
    assert code == 1, said
    assert said.startswith("Error: ")
    assert {"a folder": "That is a folder", "below a file": "cannot be used (", "a dot": "."}[out] in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", f"folder{ending}"]


def test_a_path_of_nobodys_home_is_a_sentence(capfd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GANNS_HOME", str(tmp_path))
    monkeypatch.delenv("GANNS_DATA", raising=False)
    words = ("data", "info", "data=image_folder", "data.path=~no-such-user/faces")
    code, said = ganns(capfd, monkeypatch, *words)
    assert code == 2
    assert said.startswith("Error: The folder ~no-such-user/faces cannot be used (")
    assert "data.path" in said


@pytest.mark.parametrize("home", ["~", "~no-such-user"])
def test_a_home_that_the_shell_left_in_an_option_is_replaced(
    home: str, made: dict[str, str], capfd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A shell replaces `~` at the beginning of a word alone, not in `--out=~/faces.png`."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    command = ["sample", "--from", "MODEL", "--count", "1", f"--out={home}/faces.png"]
    code, said = ganns(capfd, monkeypatch, *with_places(command, made))
    if home == "~":
        assert (code, said) == (0, "")
        assert (tmp_path / "home" / "faces.png").is_file()
    else:
        assert code == 2
        assert said.startswith("Error: The folder ~no-such-user/faces.png cannot be used (")
    assert [one.name for one in tmp_path.iterdir()] == ["home"]


# Of a run in the database: for each command the name of its output, and whether that is a folder.
OF_A_RUN = {
    "sample": (["sample", "latest", "--count", "1", "--out", "OUT.png"], False),
    "backup": (["db", "backup", "OUT.zip"], False),
    "certificate": (["credit", "certificate", "ada", "--out", "OUT.html"], False),
    "export": (["export", "latest", "--out", "OUT"], True),
    "compare": (["compare", "1", "1", "--out", "OUT"], True),
    "replay": (["replay", "1@0", "without=ada", "--out", "OUT"], True),
}
PLACES = ["a folder", "a file", "below a file", "read-only"]


@linux
def test_outputs_of_a_run_that_cannot_be_written(
    coordinate, join, conn, database, capfd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each command and each place: one sentence, and nothing is left of a part."""
    trained(coordinate, conn, join("ada"))
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    for name, (command, is_folder) in OF_A_RUN.items():
        ending = command[-1].removeprefix("OUT")
        (tmp_path / f"folder{ending}").mkdir(exist_ok=True)
        (tmp_path / f"folder{ending}" / "mine").write_text("mine")
        (tmp_path / f"a-file{ending}").write_text("mine")
        before = {one: one.is_file() and one.read_bytes() for one in tmp_path.rglob("*")}
        for place in PLACES:
            out = {
                "a folder": f"folder{ending}",
                "a file": f"a-file{ending}",
                "below a file": f"file/x{ending}",
                "read-only": f"{SYSTEM}/x{ending}",
            }[place]
            if (place == "a file" and not is_folder and name != "backup") or (place == "a folder" and is_folder):
                continue  # it replaces an older picture, and writes beside what is in the folder
            code, said = ganns(capfd, monkeypatch, *command[:-1], out)
            assert (code, said[:7]) == (1, "Error: "), (name, place, said)
            assert out.split("/x")[0] in said, (name, place, said)
            assert {one: one.is_file() and one.read_bytes() for one in tmp_path.rglob("*")} == before, (name, place)


# ------------------------------------------------------------------------------------ outputs of the other commands

# For each command and each place: the exit code and what is said. FILE is a file, FOLDER a folder, SYSTEM read-only.
OTHER_OUTPUTS = [
    (["data", "get", "WEB", "--out", "FOLDER"], 1, "FOLDER is a folder: give the name of a file in it."),
    (["data", "get", "WEB", "--out", "."], 1, ". is a folder: give the name of a file in it."),
    (["data", "get", "WEB", "--out", "FILE/x"], 1, "FILE/x cannot be written: FILE is not a folder"),
    (["data", "get", "WEB", "--out", "SYSTEM/x"], 1, "SYSTEM/x cannot be written ("),
    (["data", "get", "WEB", "--out", ""], 2, "is a variable of your shell unset?"),
    (["data", "get", "http://host.example/"], 2, "http://host.example/ names no file: say with --out"),
    (["microscope", "play", "read_committed", "--svg", "x.gif"], 2, "--svg=x.gif: the picture's name ends with .svg"),
    (["microscope", "search", "read_committed", "--svg", "."], 2, "--svg=.: the picture's name ends with .svg"),
    (["microscope", "play", "read_committed", "--svg", "FOLDER.svg"], 2, "--svg=FOLDER.svg is a folder"),
    (["microscope", "copy", "read_committed", "SYSTEM/x.sql"], 1, "SYSTEM/x.sql cannot be used ("),
    (["exercise", "grade", "HANDED-IN", "--feedback", "FILE"], 1, "FILE, in the folder"),
    (["exercise", "grade", "HANDED-IN", "--feedback", "FILE/x"], 1, "FILE/x, in the folder"),
    (["exercise", "grade", "HANDED-IN", "--feedback", "SYSTEM/x"], 1, "SYSTEM/x cannot be used ("),
    (["exercise", "grade", "HANDED-IN", "--feedback", ""], 2, "is a variable of your shell unset?"),
    (["course", "init", "SYSTEM/x"], 1, "SYSTEM/x cannot be used ("),
    (["course", "init", "FILE/x"], 1, "FILE/x, in the folder"),
    (["course", "init", "FILE"], 2, "FILE exists, and is not overwritten"),
    (["course", "init", ""], 2, "is a variable of your shell unset?"),
    (["students", "import", "FOLDER"], 1, "That is a folder: give the name of a file in it."),
    (["students", "import", ""], 2, "is a variable of your shell unset?"),
]


@linux
@pytest.mark.parametrize(("command", "code", "said"), OTHER_OUTPUTS, ids=lambda one: str(one)[:60])
def test_other_outputs_that_cannot_be_used(
    command: list[str], code: int, said: str, capfd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One sentence, before any work, and nothing is left."""
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "handed" / "ada").mkdir(parents=True)
    (tmp_path / "handed" / "ada" / "weighted_mean.py").write_text("1 / 0")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.svg").mkdir()
    here = {"FILE": "file", "FOLDER": "folder", "SYSTEM": str(SYSTEM), "HANDED-IN": "handed"}
    here["WEB"] = "http://127.0.0.1:9/x"  # nobody answers there, and nobody is asked
    before = {one for one in tmp_path.rglob("*") if (tmp_path / "home") not in (one, *one.parents)}
    found, told = ganns(capfd, monkeypatch, *with_places(command, here))
    [expected] = with_places([said], here)
    assert (found, expected in told) == (code, True), told
    assert "exercise 1" not in told
    assert {one for one in tmp_path.rglob("*") if (tmp_path / "home") not in (one, *one.parents)} == before
