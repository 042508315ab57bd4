"""import-linter's contracts (pyproject.toml) cover what they should, also when a module is added."""

from __future__ import annotations

import pkgutil
import tomllib
from pathlib import Path
from typing import Any

import ganns
import tasks

CONTRACTS: list[dict[str, Any]] = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["tool"][
    "importlinter"
]["contracts"]
DEFINITIONS = set(tasks.app.import_paths)
MODULES = {"config", "config_diff", "errors", "paths", "plugins"}


def test_ganns_has_five_modules_and_its_packages_are_the_layers() -> None:
    found = {module.name: module.ispkg for module in pkgutil.iter_modules(ganns.__path__)}
    modules = {name for name, is_package in found.items() if not is_package} - {"__main__"}
    assert modules == MODULES, "A new module belongs into a package of ganns/ (docs/explain/architecture.md)."
    [layers] = [one["layers"] for one in CONTRACTS if one["type"] == "layers"]
    assert {name for layer in layers for name in layer.split(" | ")} == found.keys() - {"__main__"}
    assert sum(found.values()) <= 23, "At most 23 packages at the top of ganns/."


def test_contracts_name_packages_and_no_lists_of_modules() -> None:
    for contract in CONTRACTS:
        for module in contract.get("source_modules", []):
            assert module.count(".") <= 1, contract["name"]


def test_a_contract_that_forbids_a_task_forbids_all_of_them() -> None:
    forbidding = [one for one in CONTRACTS if DEFINITIONS & set(one.get("forbidden_modules", []))]
    assert len(forbidding) >= 2
    for contract in forbidding:
        assert set(contract["forbidden_modules"]) >= DEFINITIONS, contract["name"]
