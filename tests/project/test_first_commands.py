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
    "tests/demo/test_demo.py": {
        "README.md": "make demo",
        "docs/explain/experiments.md": "ganns demo",
        "docs/tutorial/first-run.md": "make demo",
    },
    "tests/exercises/test_course.py": {
        "docs/course/README.md": "ganns course init my-course",
        "docs/course/lessons/1-watch-and-join.md": "ganns db serve --host 0.0.0.0",
        "docs/course/lessons/2-your-own-cluster.md": "ganns db serve --host 127.0.0.1",
        "docs/course/lessons/3-exactly-once.md": "ganns exercise start 3",
        "docs/course/lessons/4-one-gan-many-machines.md": "ganns solo experiment=demo stop.rounds=2",
        "docs/course/lessons/5-change-it.md": "pip install ./my-plugin",
        "docs/course/lessons/6-measure-and-show.md": "ganns runs",
        "docs/course/slides/1.md": "ganns join LINE",
        "docs/course/slides/2.md": "ganns train                 PostgreSQL                ganns worker",
    },
    "tests/project/test_docs.py": {
        "docs/explain/compression.md": "ganns train link=home",
        "docs/explain/conditional.md": "ganns train experiment=demo model.conditional=true",
        "docs/explain/evaluation.md": "ganns train experiment=demo evaluate=attributes evaluate.every=50",
        "docs/explain/gan.md": "ganns solo experiment=demo_gradient quorum.units=1 strategy.unit_images=32 "
        "stop.epochs=4 stop.minutes=null",
        "docs/explain/pipeline.md": "ganns train experiment=demo_gradient strategy.pipeline=true",
        "docs/explain/strategies.md": "ganns train strategy=local_steps strategy.unit_images=2048 "
        "strategy.micro_batch=32",
        "docs/howto/benchmarks.md": "python -m benchmarks.loading",
        "docs/howto/data.md": "ganns train data=image_folder data.path=/data/flowers data.holdout=200",
        "docs/howto/half-an-hour.md": "ganns train experiment=faces64",
    },
    "tests/exercises/microscope/test_command.py": {
        "docs/explain/databases.md": "ganns microscope list",
        "docs/howto/microscope.md": "ganns microscope list",
    },
    "tests/worker/test_faults.py": {
        "docs/explain/workers.md": "GANNS_DATABASE_URL='postgresql://user:password@host:5432/ganns' ganns worker",
    },
    "tests/store/test_credit.py": {
        "docs/howto/credit.md": "ganns credit",
    },
    "tests/db/test_external.py": {
        "docs/howto/external-database.md": "ganns join 'postgresql://ada:secret@db.example.org:5432/ganns?require_auth=scram-sha-256'",
    },
    "tests/project/test_install.py": {
        "docs/howto/install.md": "python3 -m venv class",
    },
    "tests/notebook/test_notebooks.py": {
        "docs/howto/notebooks.md": "source .venv/bin/activate",
    },
    "tests/dashboard/test_phones.py": {
        "docs/howto/phones.md": "ganns dashboard --phones --host 0.0.0.0",
    },
    "tests/comparison/test_replay.py": {
        "docs/howto/replay.md": "ganns train experiment=demo db.keep_state_every=100",
    },
    "tests/project/test_tutorials.py": {
        "docs/howto/resume.md": "ganns train resume=latest",
        "docs/tutorial/two-machines.md": "make setup",
    },
    "tests/project/test_server.py": {
        "docs/howto/server.md": "git clone https://github.com/OWNER/ganns-with-friends",
    },
    "tests/store/test_object_store.py": {
        "docs/howto/store.md": "pip install -e '.[store]' -c constraints.txt",
    },
    "tests/store/test_students.py": {
        "docs/howto/students.md": 'ganns students add ada ben "Zoë O\'Hara"',
    },
    "tests/queue/test_reference_page.py": {
        "docs/reference/tasks.md": "export GANNS_DATABASE_URL=postgresql://...",
    },
    "tests/project/test_levels.py": {
        "docs/tutorial/level-0-watch.md": "ganns join 'postgresql://ganns_class:SECRET@192.0.2.7:5432/ganns'",
        "docs/tutorial/level-1-join.md": "ganns join 'postgresql://ganns_class:SECRET@192.0.2.7:5432/ganns'",
        "docs/tutorial/level-2-cluster.md": "ganns db serve --host 127.0.0.1",
        "docs/tutorial/level-3-change.md": "pip install ./my-plugin",
        "docs/tutorial/level-4-friends.md": "ganns join 'postgresql://owner:SECRET@db.example.org:5432/ganns?require_auth=scram-sha-256'",
        "docs/tutorial/level-5-class.md": "ganns db serve --host 0.0.0.0",
    },
}
"""The tests that type, or compose, the first command of other pages. Some pages train for a long time: test_docs.py
composes their settings."""
COMMAND = re.compile(r"(\w+=\S+ )*(ganns|make|python|pip|git|export|source) ?")


def first(page: str) -> str | None:
    """Return a page's first command, without a comment."""
    found = (line.partition("  #")[0].strip() for line in commands(page))
    return next((line for line in found if COMMAND.match(line)), None)


def test_each_page_with_a_command_has_a_test() -> None:
    pages = ["README.md", *(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))]
    with_one = {page for page in pages if first(page)}
    known = HERE | {page: command for pages in ELSEWHERE.values() for page, command in pages.items()}
    assert with_one == known.keys()
    assert all((ROOT / test).is_file() for test in ELSEWHERE)
    for page, command in known.items():
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
