"""`ganns`: what it loads, and how it shows errors."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ganns.cli import app as application
from ganns.errors import ConfigError, GannsError, NoDatabaseAddress

HEAVY = ("torch", "torchvision", "matplotlib", "hydra", "procrastinate")

COMMANDS = (
    "demo",
    "train",
    "solo",
    "worker",
    "top",
    "runs",
    "sample",
    "export",
    "timelapse",
    "push",
    "tasks",
    "db",
    "exercise",
)


def main_raising(error: BaseException, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    """Run `ganns` with a command that raises `error` and return the exit code."""

    def command(*, args: list[str], prog_name: str) -> None:
        assert "--debug" not in args
        raise error

    monkeypatch.setattr(application, "app", command)
    monkeypatch.setattr(sys, "argv", ["ganns", *arguments])
    with pytest.raises(SystemExit) as stopped:
        application.main()
    return stopped.value.code


def test_a_command_loads_torch_only_for_work() -> None:
    """`ganns train --help`, `ganns timelapse` and the like answer at once."""
    modules = "ganns.launch.compose, ganns.launch.overrides, ganns.export.timelapse, ganns.export.hub"
    script = f"import sys, {modules}; print([name for name in ('torch', 'matplotlib') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "[]\n"


def test_help_lists_every_command_and_loads_nothing_heavy() -> None:
    script = f"""
import sys
from ganns.cli.app import main
sys.argv = ["ganns", "--help"]
try:
    main()
finally:
    print("loaded:", [name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"
    for command in COMMANDS:
        assert f" {command} " in done.stdout


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "train"])
def test_every_command_has_help(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ganns", command, "--help"])
    with pytest.raises(SystemExit) as stopped:
        application.main()
    assert stopped.value.code == 0
    assert f"ganns {command}" in capsys.readouterr().out


def test_an_error_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    long = "the value [3] is wrong, " * 10 + "type `ganns runs`."
    assert main_raising(GannsError(long), monkeypatch, "runs") == 1
    assert capsys.readouterr().err == f"Error: {long}\n"


def test_a_wrong_setting_exits_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    assert main_raising(ConfigError("seed=x"), monkeypatch, "train") == 2


def test_an_error_without_message_shows_its_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_raising(NoDatabaseAddress(), monkeypatch, "worker") == 1
    assert capsys.readouterr().err.startswith("Error: No database address: type `ganns join`")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (IsADirectoryError(errno.EISDIR, "Is a directory", "/tmp"), "/tmp cannot be used (Is a directory). That is a"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "/x cannot be used (Permission denied). Choose a"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a"), f"a, in the folder {os.getcwd()}, cannot"),
        (OSError(errno.ENOSPC, "No space left on device"), "The system says: No space left on device."),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/a/b"), "/a/b cannot be used (Not a directory)"),
    ],
)
def test_what_the_system_refuses_is_a_sentence(
    error: OSError, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_raising(error, monkeypatch, "runs") == 1
    assert capsys.readouterr().err.startswith(f"Error: {said}")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp932"])
def test_a_name_of_any_letters_is_printed_in_any_encoding(encoding: str, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding, "GANNS_HOME": str(tmp_path)}
    line = [sys.executable, "-m", "ganns", "join", "postgresql://Zo\u00eb-\u5f20-\u0436:x@127.0.0.1:1/class"]
    done = subprocess.run(line, env=environment, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert b"127.0.0.1:1/class" in done.stdout


def test_debug_anywhere_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GannsError, match="the cause"):
        main_raising(GannsError("the cause"), monkeypatch, "worker", "--debug", "-n", "4")


def test_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main_raising(KeyboardInterrupt(), monkeypatch, "demo") == 130
    assert capsys.readouterr().err == ""


def test_version() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ganns", "--version"], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.startswith("ganns ")
