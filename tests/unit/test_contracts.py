"""import-linter's contracts (pyproject.toml) cover what they should, also when a module is added."""

from __future__ import annotations

import pkgutil
import tomllib
from pathlib import Path
from typing import Any

import tasks

CONTRACTS: list[dict[str, Any]] = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["tool"][
    "importlinter"
]["contracts"]
DEFINITIONS = set(tasks.app.import_paths)


def test_every_module_of_tasks_is_framework_or_definition() -> None:
    [framework] = [one for one in CONTRACTS if one["name"].startswith("The task framework")]
    modules = {f"tasks.{module.name}" for module in pkgutil.iter_modules(tasks.__path__)}
    assert modules == DEFINITIONS | set(framework["source_modules"]), (
        "Add a new module either to import_paths in tasks/__init__.py, if it defines tasks, or to the contract "
        f"{framework['name']!r} in pyproject.toml."
    )


def test_a_contract_that_forbids_a_task_forbids_all_of_them() -> None:
    forbidding = [one for one in CONTRACTS if DEFINITIONS & set(one.get("forbidden_modules", []))]
    assert len(forbidding) >= 3
    for contract in forbidding:
        assert set(contract["forbidden_modules"]) >= DEFINITIONS, contract["name"]
