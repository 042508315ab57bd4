"""The files in .github are what GitHub takes: workflows, issue forms, and the check before a release."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.helpers import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
NOTES = GITHUB / "release_notes.py"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows(path: Path) -> None:
    workflow = read(path)
    # YAML 1.1 reads the key `on` as true.
    assert (
        {"name", "permissions", "jobs", True} <= workflow.keys() <= {"name", "permissions", "jobs", True, "concurrency"}
    )
    assert workflow["permissions"] == {"contents": "read"}, "a job that needs more asks for it itself"
    for name, job in workflow["jobs"].items():
        assert set([job.get("needs", name)]).issubset(workflow["jobs"])
        if "uses" in job:
            assert (ROOT / job["uses"]).is_file()
            continue
        assert job["timeout-minutes"] > 0
        assert job["runs-on"]
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step
            if "uses" in step:
                assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]), step


def test_workflows_type_what_exists() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    lines = [
        step["run"]
        for path in WORKFLOWS
        for job in read(path)["jobs"].values()
        for step in job.get("steps", [])
        if "run" in step
    ]
    made = {line.split()[1] for line in lines if line.startswith("make ")}
    assert made == {"setup", "check", "docs", "test-all"}
    assert made <= set(targets)
    for line in lines:
        for file in re.findall(r"\.github/\S+\.py", line):
            assert (ROOT / file).is_file()
    python = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    for path in WORKFLOWS:
        for number in re.findall(r'python-version: "([\d.]+)"', path.read_text("utf-8")):
            assert f">={number}" == python


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_issue_forms(path: Path) -> None:
    form = read(path)
    assert {"name", "description", "labels", "body"} == form.keys()
    ids = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert ids
    assert len(set(ids)) == len(ids)
    for field in form["body"]:
        assert field["type"] in {"markdown", "textarea", "input"}
        assert field["attributes"]["value" if field["type"] == "markdown" else "label"]
        for page in re.findall(r"`(docs/\S+?)`", str(field)):
            assert (ROOT / page).is_file()


def release_notes(root: Path, tag: str) -> subprocess.CompletedProcess[str]:
    (root / ".github").mkdir(exist_ok=True)
    (root / ".github" / NOTES.name).write_bytes(NOTES.read_bytes())
    command = [sys.executable, str(root / ".github" / NOTES.name), tag]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_release_needs_its_section_in_the_changelog(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text(
        "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-12-01\n\n### Added\n\n- This.\n\n"
        "## [1.1.0] - 2026-11-01\n\n- That.\n"
    )
    assert release_notes(tmp_path, "v1.2.0").stdout == "### Added\n\n- This.\n"

    wrong = release_notes(tmp_path, "v1.3.0")
    assert wrong.returncode == 1
    assert "tag v1.2.0" in wrong.stderr
    changelog.write_text("# Changelog\n\n## [Unreleased]\n\n- This.\n")
    wrong = release_notes(tmp_path, "v1.2.0")
    assert wrong.returncode == 1
    assert "no section '## [1.2.0] - YYYY-MM-DD'" in wrong.stderr


def test_the_changelog_has_what_a_release_needs() -> None:
    titles = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert titles[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", title) for title in titles[1:])
