"""import-linter's contracts (pyproject.toml) cover what they should, also when a module is added."""

from __future__ import annotations

import pkgutil
import tomllib
from pathlib import Path
from typing import Any

import grimp
import pytest

import ganns
import tasks

TESTS = Path(__file__).parents[1]
CONTRACTS: list[dict[str, Any]] = tomllib.loads((TESTS.parent / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]
DEFINITIONS = set(tasks.app.import_paths)
MODULES = {"config_diff", "errors", "paths", "plugins"}


def test_ganns_has_four_modules_and_its_packages_are_the_layers() -> None:
    found = {module.name: module.ispkg for module in pkgutil.iter_modules(ganns.__path__)}
    modules = {name for name, is_package in found.items() if not is_package} - {"__main__"}
    assert modules == MODULES, "A new module belongs into a package of ganns/ (docs/explain/architecture.md)."
    [layers] = [one["layers"] for one in CONTRACTS if one["type"] == "layers"]
    assert {name for layer in layers for name in layer.split(" | ")} == found.keys() - {"__main__"}
    assert sum(found.values()) <= 24, "At most 24 packages at the top of ganns/."


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("ganns", "tasks", cache_dir=None)


def test_the_longest_chain_of_packages_has_eleven(graph: grimp.ImportGraph) -> None:
    def package(module: str) -> str:
        return ".".join(module.split(".")[:2])

    below: dict[str, set[str]] = {}
    for module in graph.modules - {"ganns"}:
        imported = {package(one) for one in graph.find_modules_directly_imported_by(module)}
        below.setdefault(package(module), set()).update(imported - {package(module)})

    def length(of: str) -> int:
        return 1 + max((length(one) for one in below.get(of, ()) if one.startswith("ganns.")), default=0)

    assert max(map(length, (one for one in below if one.startswith("ganns.")))) <= 11


def test_no_module_is_loaded_twice(graph: grimp.ImportGraph) -> None:
    """`python -m` loads a module under the name `__main__`: a module that imports it would load it again.

    Another module that is started so, as `ganns.export.drawing_process`, would have to import itself through others:
    the contract against circles excludes that.
    """
    started = {module for module in graph.modules if module.endswith(".__main__")}
    assert "ganns.worker.__main__" in started
    assert {importer for module in started for importer in graph.find_modules_that_directly_import(module)} == set()


def test_contracts_name_packages_and_no_lists_of_modules() -> None:
    for contract in CONTRACTS:
        for module in contract.get("source_modules", []):
            assert module.count(".") <= 1, contract["name"]


def test_a_contract_that_forbids_a_task_forbids_all_of_them() -> None:
    forbidding = [one for one in CONTRACTS if DEFINITIONS & set(one.get("forbidden_modules", []))]
    assert len(forbidding) >= 2
    for contract in forbidding:
        assert set(contract["forbidden_modules"]) >= DEFINITIONS, contract["name"]


def test_the_tests_stand_in_the_folders_of_the_packages() -> None:
    """`project` is about the repository; `fuzz` and `golden` go through several packages; `support` helps the tests."""
    folders = {path.parent.name for path in TESTS.glob("*/__init__.py")}
    packages = {module.name for module in pkgutil.iter_modules(ganns.__path__) if module.ispkg}
    assert folders - packages == {"fuzz", "project", "support", "tasks"}
    assert packages - folders == {"testing"}  # tests/test_plugins.py
