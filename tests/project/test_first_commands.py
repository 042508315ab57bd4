"""Each page's first command, typed by a reader in a home with none of our variables set, works as it is printed.

Only what is not the page's own is changed: addresses, free ports, small networks.
"""

from __future__ import annotations

import re
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.project.test_levels import SHORT, SMALL, Reader, address_of
from tests.support.helpers import ROOT, free_port
from tests.support.terminals import Machine, commands

HERE = {
    "docs/howto/instructor.md": "ganns db serve --host 0.0.0.0",
    "docs/howto/join.md": "ganns join 'postgresql://ganns_class:SECRET@192.0.2.7:5432/ganns'",
    "docs/howto/sweeps.md": "ganns train experiment=demo optimizer.lr_d=5e-4",
    "docs/howto/results.md": "ganns sample latest --out faces.png",
    "docs/howto/backup.md": "ganns db backup class.zip",
    "docs/howto/control-a-run.md": "ganns runs pause 3",
    "docs/howto/dashboard.md": "ganns dashboard",
    "docs/howto/sizing.md": "python -m benchmarks.sizing --table",
    "docs/reference/commands.md": "ganns --help",
    "docs/reference/configuration.md": "ganns train experiment=demo optimizer.lr_d=5e-4",
    "docs/reference/errors.md": "ganns runs --debug",
    "docs/exercises/README.md": "ganns exercise list",
    **{f"docs/exercises/{path.stem}.md": "" for path in (ROOT / "docs/exercises").glob("[0-9]*-*.md")},
}
"""The pages whose first command is typed here."""
ELSEWHERE = {
    "README.md": "tests/demo/test_demo.py",
    "docs/explain/experiments.md": "tests/demo/test_demo.py",
    "docs/tutorial/first-run.md": "tests/demo/test_demo.py",
    "docs/tutorial/two-machines.md": "tests/project/test_tutorials.py",
    **{f"docs/tutorial/level-{number}-": "tests/project/test_levels.py" for number in range(6)},
    "docs/howto/install.md": "tests/project/test_install.py",
    "docs/howto/notebooks.md": "tests/notebook/test_notebooks.py",
    "docs/howto/external-database.md": "tests/db/test_external.py",
    "docs/howto/resume.md": "tests/project/test_tutorials.py",
    "docs/explain/workers.md": "tests/worker/test_faults.py",
    "docs/reference/tasks.md": "tests/queue/test_reference_page.py",
    "docs/course/": "tests/exercises/test_course.py",
    "docs/howto/server.md": "tests/project/test_server.py",
    "docs/howto/students.md": "tests/store/test_students.py",
    "docs/howto/credit.md": "tests/store/test_credit.py",
    "docs/howto/microscope.md": "tests/exercises/microscope/test_command.py",
    "docs/howto/phones.md": "tests/dashboard/test_phones.py",
    "docs/howto/replay.md": "tests/comparison/test_replay.py",
    "docs/explain/databases.md": "tests/exercises/microscope/test_command.py",
    # These train for a long time: their settings are composed there.
    **dict.fromkeys(
        (
            *(f"docs/explain/{name}.md" for name in ("compression", "conditional", "evaluation", "gan")),
            *(f"docs/explain/{name}.md" for name in ("pipeline", "strategies")),
            "docs/howto/data.md",
            "docs/howto/half-an-hour.md",
            "docs/howto/benchmarks.md",
        ),
        "tests/project/test_docs.py",
    ),
}
"""The tests that type, or compose, the first command of other pages."""
COMMAND = re.compile(r"(\w+=\S+ )*(ganns|make|python|pip|git|export|source) ?")


def first(page: str) -> str | None:
    """Return a page's first command, without a comment."""
    found = (line.partition("  #")[0].strip() for line in commands(page))
    return next((line for line in found if COMMAND.match(line)), None)


def test_each_page_with_a_command_has_a_test() -> None:
    pages = ["README.md", *(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))]
    with_one = {page for page in pages if first(page)}
    assert with_one == HERE.keys() | {page for page in with_one if page.startswith(tuple(ELSEWHERE))}
    assert all((ROOT / test).is_file() for test in ELSEWHERE.values())
    for page, command in HERE.items():
        assert first(page) == command or not command, page


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_reader_types_them() -> None:
    with ExitStack() as stack:
        # Not below pytest's folder: each pytest that starts makes it private, and root's server is another user's.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ganns-")))
        machine = Machine(folder / "reader", stack)
        machine.variables = {
            name: value for name, value in machine.variables.items() if not name.startswith(("GANNS", "PG", "XDG"))
        } | {"HOME": str(machine.folder), "PYTHONPATH": str(ROOT)}
        small = f"{SMALL} {SHORT} quorum.units=1 evaluate.every=0"
        reader = Reader(machine, db_serve=f"--port {free_port()}", dashboard=f"--port {free_port()}", train=small)
        typed = []

        def type_first(page: str) -> str:
            line = first(f"docs/{page}")
            assert line is not None
            typed.append(f"docs/{page}")
            reader.type(line)
            return line

        type_first("howto/instructor.md")
        reader.replaced["postgresql://ganns_class:SECRET@192.0.2.7:5432/ganns"] = address_of(reader.running[0])
        type_first("howto/join.md")
        machine.start("ganns worker").wait_for("joined as")
        type_first("howto/sweeps.md")
        assert reader.running[-1].process.wait(120) == 0, reader.running[-1].output
        type_first("howto/results.md")
        assert (machine.folder / "faces.png").is_file()
        type_first("howto/backup.md")
        assert (machine.folder / "class.zip").is_file()
        assert "finished" in reader.printed[type_first("reference/errors.md")]
        reader.replaced["pause 3"] = "pause 1"
        reader.may_fail = {"ganns runs pause 1"}  # it has ended
        assert "run 1" in reader.printed[type_first("howto/control-a-run.md").replace("3", "1")].lower()
        type_first("howto/dashboard.md")
        type_first("reference/configuration.md")
        assert reader.running[-1].process.wait(120) == 0, reader.running[-1].output
        for page in ("howto/sizing.md", "reference/commands.md", "exercises/README.md"):
            assert reader.printed[type_first(page)]
        for path in sorted((ROOT / "docs/exercises").glob("[0-9]*-*.md")):
            type_first(f"exercises/{path.name}")
        assert len(list((machine.folder / "exercises").iterdir())) >= 5
        assert set(typed) == HERE.keys()
        assert (machine.folder / ".ganns" / "joined").is_file()
