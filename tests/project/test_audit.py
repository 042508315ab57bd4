"""`make check` asks for known vulnerabilities where PyPI answers, and neither hangs nor fails where it does not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.helpers import ROOT, free_port

SAID = "vulnerabilities were not looked for"


def audit(folder: Path, control: str, auditor: str | None) -> subprocess.CompletedProcess[str]:
    """Run .ci/audit with a stand-in for pip-audit: the text of a shell script."""
    (folder / "python").symlink_to(sys.executable)
    if auditor is not None:
        program = folder / "pip-audit"
        program.write_text(f"#!/bin/sh\n{auditor}\n")
        program.chmod(0o755)
    variables = os.environ | {"BIN": str(folder), "AUDIT_CONTROL": control}
    return subprocess.run(["bash", ROOT / ".ci" / "audit"], env=variables, capture_output=True, text=True, timeout=60)


def answering(folder: Path, text: str) -> str:
    """The address of a file: urllib reads it as it reads PyPI's answer."""
    (folder / "answer.json").write_text(text)
    return (folder / "answer.json").as_uri()


@pytest.mark.parametrize("vulnerabilities", ["[]", None])
def test_a_mirror_that_knows_no_vulnerability_is_not_believed(tmp_path: Path, vulnerabilities: str | None) -> None:
    text = "<html>a page</html>" if vulnerabilities is None else f'{{"vulnerabilities": {vulnerabilities}}}'
    done = audit(tmp_path, answering(tmp_path, text), "echo asked; exit 1")
    assert (done.returncode, done.stdout.count(SAID)) == (0, 1)
    assert "asked" not in done.stdout


def test_without_a_network_it_says_so_and_ends_well(tmp_path: Path) -> None:
    done = audit(tmp_path, f"http://127.0.0.1:{free_port()}/", "exit 1")
    assert (done.returncode, done.stdout.count(SAID)) == (0, 1)


@pytest.mark.slow
def test_a_network_that_swallows_everything_does_not_hold_it_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts, and never answers
        done = audit(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}/", "exit 1")
    assert (done.returncode, done.stdout.count(SAID)) == (0, 1)


def test_without_pip_audit_it_says_what_to_type(tmp_path: Path) -> None:
    done = audit(tmp_path, answering(tmp_path, '{"vulnerabilities": [1]}'), None)
    assert done.returncode == 0
    assert "make setup installs it" in done.stdout


@pytest.mark.parametrize("code", [0, 1])
def test_where_pypi_answers_its_word_counts(tmp_path: Path, code: int) -> None:
    done = audit(tmp_path, answering(tmp_path, '{"vulnerabilities": [1]}'), f'echo "$@"; exit {code}')
    assert done.returncode == code
    assert "--requirement constraints.txt --no-deps" in done.stdout
