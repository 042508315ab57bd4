"""The documentation cannot rot: what exists is documented, and what is documented exists.

Nothing here needs a database, PyTorch or a network: names are read from the source, commands are parsed by the
command line's own parser, and settings are composed by Hydra.
"""

from __future__ import annotations

import ast
import functools
import itertools
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from docs.generate import generate
from ganns import errors
from ganns.cli.app import app
from ganns.cli.solo import without_schedule
from ganns.config import settings
from ganns.errors import ConfigError, GannsError
from ganns.launch.compose import _sort_arguments, compose
from ganns.store.results import METRICS, TIMINGS
from tests.support.plugin import announce_example

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
HYDRA = ("train", "solo")
# The values that an option cannot know.
NEEDED = {"data=image_folder": ["data.path=/pictures"], "data=packed": ["data.url=http://host/faces"]}
NEEDED |= {"store=s3": ["store.bucket=faces"]}
# More results a round than some experiments have.
NEEDED |= {"aggregate=multi_krum": ["quorum.units=8"], "aggregate=trimmed_mean": ["quorum.units=8"]}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(autouse=True, scope="module")
def example_plug_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The names of the tutorial's plug-in are known, as after its installation."""
    site = tmp_path_factory.mktemp("site")
    announce_example(site)
    sys.path.insert(0, str(site))
    yield
    sys.path.remove(str(site))


every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


@functools.cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks_of(page: Path) -> list[tuple[str, str]]:
    """(language, text) of each fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)


def prose_of(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


def spans_of(page: Path) -> list[str]:
    """What stands between backticks in the prose."""
    return re.findall(r"`([^`\n]+)`", prose_of(page))


def rows_of(page: Path) -> list[list[str]]:
    """The cells of each line of each table."""
    lines = [line for line in prose_of(page).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def section_of(page: Path, title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text_of(page), re.MULTILINE | re.DOTALL)
    assert found, f"{name_of(page)} has no section '## {title}'"
    return found[1]


# -------------------------------------------------------------------------------- what exists is documented


def test_the_tables_of_settings_are_what_the_schema_says() -> None:
    page = REFERENCE / "configuration.md"
    assert text_of(page) == generate(text_of(page)), "type `python -m docs.generate`, and commit what it changes"
    rows = {row[0].strip("`"): row[4] for row in rows_of(page) if len(row) == 5 and row[0].startswith("`")}
    assert sorted(rows) == sorted(settings())
    assert all(rows.values())


def test_a_wrong_default_or_range_in_the_tables_would_be_found() -> None:
    wrong = "| `seed` | str | any | 3 | where it begins |\n| `model.image_size` |  | | | pixels |\n"
    seed, size, _ = generate(wrong).split("\n")
    assert seed == "| `seed` | int | 0 to 2,147,483,647 | 0 | where it begins |"
    assert size == "| `model.image_size` | int | 32 or 64 or 128 | 64 | pixels |"


def test_every_file_of_every_group_is_documented() -> None:
    text = text_of(REFERENCE / "configuration.md")
    for path in sorted((ROOT / "conf").glob("*/*.yaml")):
        if path.parent.name != "hydra":
            assert f"`{path.parent.name}={path.stem}`" in text, path


def test_every_environment_variable_is_documented() -> None:
    sources = [ROOT / "tests/conftest.py", *(ROOT / "ganns").rglob("*.py"), *(ROOT / "tasks").rglob("*.py")]
    found = {name for path in sources for name in re.findall(r"\bGANNS_[A-Z_]+\b", path.read_text("utf-8"))}
    assert {"GANNS_HOME", "GANNS_DATABASE_URL"} <= found
    documented = set(spans_of(REFERENCE / "configuration.md"))
    assert found <= documented


def leaves(command: Any = None, name: str = "ganns") -> Iterator[tuple[str, Any]]:
    """Every command by its full name."""
    command = command or typer.main.get_command(app)
    if not hasattr(command, "commands"):
        yield name, command
        return
    if command.invoke_without_command:  # `ganns runs`
        yield name, command
    for word, inner in command.commands.items():
        yield from leaves(inner, f"{name} {word}")


COMMANDS = dict(leaves())


def options_of(command: Any) -> set[str]:
    options = [option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)]
    return {option for option in options if option.startswith("-")} - {"--help"}


def hydra_flags() -> set[str]:
    from hydra._internal.utils import get_args_parser

    return {flag for action in get_args_parser()._actions for flag in action.option_strings} | {"--help", "--debug"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name: str) -> None:
    command, section = COMMANDS[name], section_of(REFERENCE / "commands.md", name)
    first_cells = "\n".join(line.split("|")[1] for line in section.splitlines() if line.startswith("|"))
    documented = set(re.findall(r"`(--?[a-z][a-z0-9-]*)", first_cells))
    if name.split()[-1] in HYDRA:
        assert documented <= hydra_flags()
        return
    assert documented == options_of(command)
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            assert f"`[{parameter.name}]" in first_cells, parameter.name


def test_the_reference_has_no_command_that_does_not_exist() -> None:
    titles = re.findall(r"^## (ganns .*)$", text_of(REFERENCE / "commands.md"), re.MULTILINE)
    assert sorted(titles) == sorted(COMMANDS)


def test_every_error_is_documented() -> None:
    classes = {
        name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, GannsError)
    }
    rows = {row[0].strip("`") for row in rows_of(REFERENCE / "errors.md") if row[0].startswith("`")}
    assert rows == classes
    tree = next(block for _, block in blocks_of(REFERENCE / "errors.md") if block.startswith("GannsError"))
    assert set(re.findall(r"\w+", tree)) == classes


def schema(kind: str) -> set[str]:
    """The names of all tables or functions of ours, from the golden schema."""
    golden = (ROOT / "tests/golden/schema.txt").read_text("utf-8")
    found = set(re.findall(rf"^(?:unlogged )?{kind} (\w+\.\w+)", golden, re.MULTILINE))
    assert found, kind
    return {name for name in found if name.startswith(("ganns.", "ganns_api."))}


@pytest.mark.parametrize("kind", ["table", "view", "function"])
def test_every_table_and_function_is_documented(kind: str) -> None:
    rows = {row[0].strip("`") for row in rows_of(REFERENCE / "database.md") if row[0].startswith("`")}
    documented = {name for name in rows if re.fullmatch(r"ganns(_api)?\.\w+", name)}
    assert schema(kind) <= documented
    assert documented <= schema("table") | schema("view") | schema("function")


def function(path: str, name: str) -> ast.AST:
    """A function's syntax tree."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name)


def strings(nodes: Iterator[ast.AST]) -> set[str]:
    """All keys of dictionaries and members of sets and tuples that are written as strings."""
    found: set[str] = set()
    for node in nodes:
        members = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [])
        found |= {one.value for one in members if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    return found


@pytest.mark.parametrize(
    ("path", "name", "known"),
    [
        ("ganns/training/bounds.py", "check_metrics", {"d_loss", "d_fake"}),
        ("ganns/coordinator/rounds.py", "_round", {"wait", "publish"}),
        ("ganns/demo/run.py", "summarise", {"swd_end", "late"}),
        ("ganns/queue/machine.py", "describe", {"device"}),
    ],
)
def test_every_metric_is_documented(path: str, name: str, known: set[str]) -> None:
    found = strings(ast.walk(function(path, name))) - {"metrics", "timings"}
    assert known <= found, f"{path} does not say its keys in {name} any more: correct this test"
    assert found <= set(spans_of(REFERENCE / "metrics.md"))


def test_every_number_of_a_result_is_documented() -> None:
    assert {*METRICS, *TIMINGS} <= set(spans_of(REFERENCE / "metrics.md"))


def test_every_benchmark_and_its_figures_are_documented() -> None:
    page = DOCS / "howto" / "benchmarks.md"
    for path in sorted((ROOT / "benchmarks").glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        if not any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in ast.walk(tree)):
            continue
        assert f"`python -m benchmarks.{path.stem}`" in text_of(page)
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        calls = [call for call in calls if ast.unparse(call.func) == "json.dumps"]
        printed: list[ast.AST] = [call.args[0] for call in calls]
        for node in ast.walk(tree):
            is_figures = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "figures"
            if is_figures or (isinstance(node, ast.FunctionDef) and node.name == "measure"):
                printed += [one for one in ast.walk(node) if isinstance(one, ast.Dict)]
        figures = strings(one for one in printed if isinstance(one, ast.Dict))
        assert figures, f"{path.name} does not say its figures in a dictionary any more: correct this test"
        assert figures <= set(spans_of(page)), path


# -------------------------------------------------------------------------------- what is documented exists


@functools.cache
def said_by_the_program() -> str:
    """Every string of the source; what an f-string inserts is left out."""
    found: list[str] = []
    for path in [*(ROOT / "ganns").rglob("*.py"), *(ROOT / "tasks").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(one.value for one in node.values if isinstance(one, ast.Constant)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\0".join(found)


def test_symptoms_are_what_the_program_says() -> None:
    symptoms = [row[0] for row in rows_of(DOCS / "howto" / "troubleshooting.md")]
    spans = [span for symptom in symptoms for span in re.findall(r"`([^`]+)`", symptom)]
    assert len(spans) > 20
    for span in spans:
        if not re.match(r"(ganns|make) [a-z]", span):  # a command, which another test looks at
            parts = [re.escape(part.strip()) for part in span.split("...")]
            assert re.search("[^\0]*".join(parts), said_by_the_program()), span


def test_figures_of_the_page_on_performance_are_where_it_says() -> None:
    rows = [
        row for row in rows_of(DOCS / "explain" / "performance.md") if "](../" in row[2] or "](strategies" in row[2]
    ]
    assert len(rows) > 8
    for _, answer, link in rows:
        target = re.search(r"\]\(([^)#]+)", link)
        assert target
        source = text_of((DOCS / "explain" / target[1]).resolve())
        for number in re.findall(r"\d+[.,]\d+", answer):
            assert number in source, f"{number} is not in {target[1]}"


def slug(title: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.replace("`", "").lower()).replace(" ", "-")


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", prose_of(page)):
        if "://" in target:  # there is no network here: only how it is written
            assert re.fullmatch(r"https?://[\w.-]+\.\w+(:\d+)?(/[^\s<>]*)?", target), target
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_file(), f"{target} does not exist"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", prose_of(file), re.MULTILINE)
            assert anchor in [slug(title) for title in titles], f"{target}: no such heading"


def test_every_page_is_reached_from_the_index() -> None:
    index = DOCS / "index.md"
    linked = {(DOCS / target).resolve() for target in re.findall(r"\]\(([^)#]+)", text_of(index))}
    assert linked >= set(PAGES) - {index, ROOT / "README.md"}


@every_page
def test_files_and_tests_that_are_named_exist(page: Path) -> None:
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    for span in spans_of(page):
        if re.fullmatch(r"(ganns|tasks|sql|conf|tests|benchmarks|docs)/[\w./-]*", span):
            assert (ROOT / span).exists(), span
        if re.fullmatch(r"test_\w+", span):
            assert f"def {span}(" in tests, span
        if found := re.match(r"ganns_api\.\w+", span):
            assert found[0] in schema("function"), span


def test_a_gradient_passes_six_files_each_once() -> None:
    """Each file of the way has what the page says of it, and hands over to the next one."""
    page = (ROOT / "docs/tutorial/read-the-code.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d) \| `([\w/.]+)` \| (.*) \|$", page, re.MULTILINE)
    files = [file for _, file, _ in rows]
    assert [int(number) for number, _, _ in rows] == list(range(1, 7))
    assert len(set(files)) == 6
    for _, file, text in rows:
        code = (ROOT / file).read_text("utf-8")
        for name in re.findall(r"`(\w+)`", text):
            assert re.search(rf"^ *(class|def) {name}\b", code, re.MULTILINE), (file, name)


def commands_of(page: Path) -> list[list[str]]:
    """Every quoted command as its words, without the variables before it: from blocks, and between backticks."""
    blocks = [text for language, text in blocks_of(page) if language in ("", "console", "bash")]
    joined = [text.replace("\\\n", " ") for text in blocks]  # a backslash at a line's end continues the command
    lines = [line.removeprefix("$ ").removesuffix(" &") for text in joined for line in text.splitlines()]
    lines += [span for span in spans_of(page) if not re.search(r"COMMAND|<\w+>", span)]
    found = []
    for line in lines:
        if not re.match(r"\s*(\w+=\S+ )*(ganns|make|python|procrastinate) \S", line):
            continue
        words = shlex.split(line, comments=True)
        while re.match(r"\w+=", words[0]):
            words.pop(0)
        found.append(words)
    return found


def composes(overrides: list[str]) -> None:
    """Compose each combination of a sweep's values, or the one that there is."""
    choices = [
        [f"{key}={value}" for value in values.split(",")]
        for key, _, values in (override.partition("=") for override in overrides)
    ]
    for combination in itertools.product(*choices):
        known_to_compose(combination)


@functools.cache
def known_to_compose(overrides: tuple[str, ...]) -> None:
    needed = [extra for override in overrides for extra in NEEDED.get(override, [])]
    given = {override.lstrip("+").partition("=")[0] for override in overrides}
    compose([*overrides, *(extra for extra in needed if extra.partition("=")[0] not in given)])


@functools.cache
def all_commands() -> Any:
    """Return the tree of commands; to build it takes a tenth of a second."""
    return typer.main.get_command(app)


def check_command(words: list[str]) -> None:
    """Fail if `ganns` would not understand the words."""
    command = all_commands()
    words = [word for word in words if word not in ("--debug", "--help", "--version")]
    while hasattr(command, "commands") and words and not (command.invoke_without_command and words[0].startswith("-")):
        assert words[0] in command.commands, f"there is no command {words[0]}"
        name = words.pop(0)
        command = command.commands[name]
    if hasattr(command, "commands") and not words:
        return
    if name in HYDRA:
        words, _ = without_schedule(words) if name == "solo" else (words, None)
        arguments, _, _ = _sort_arguments(words, name)
        composes([word for word in arguments if "=" in word and not word.startswith("hydra/")])
        return
    try:
        context = command.make_context(name, list(words))
    except Exception as error:
        raise AssertionError(f"ganns {name} {shlex.join(words)}: {error}") from error
    if name == "demo":
        composes(context.params["overrides"] or [])


@every_page
def test_quoted_commands_are_understood(page: Path) -> None:
    for words in commands_of(page):
        program, arguments = words[0], words[1:]
        if program == "ganns":
            check_command(arguments)
        elif program == "make":
            for word in arguments:
                if word.startswith("ARGS="):
                    assert (ROOT / word.removeprefix("ARGS=").split()[0]).exists(), word
                elif "=" not in word:
                    assert re.search(rf"^{word}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE), word
        elif program == "procrastinate":
            assert arguments in (["--app=tasks.app", "worker"], ["--app=my_tasks.app", "worker"], ["worker"]), words
        elif arguments[0] == "-m" and arguments[1].startswith("benchmarks."):
            source = (ROOT / f"{arguments[1].replace('.', '/')}.py").read_text("utf-8")
            for option in arguments[2:]:
                assert not option.startswith("--") or f'"{option}"' in source, words


@every_page
def test_quoted_settings_compose(page: Path) -> None:
    groups = {key.partition(".")[0] for key in settings()} | {"experiment"}
    batches: dict[str, list[dict[str, str]]] = {}  # an option -> what is composed together: each key once
    for span in spans_of(page):
        found = re.fullmatch(r"([a-z_]+)(\.[a-z0-9_]+)?=(\S+)", span)
        if found and found[1] in groups:
            key, of_option = f"{found[1]}{found[2] or ''}", ""
            if key in settings():
                of_option = next(iter(settings()[key]))  # `data.url=` needs `data=packed`
            option = f"{found[1]}={of_option}" if of_option else ""
            of_it = batches.setdefault(option, [])
            batch = next((one for one in of_it if key not in one), None)
            if batch is None:
                of_it.append(batch := {})
            batch[key] = span
        elif re.fullmatch(r"[a-z]+\.[a-z0-9_]+", span) and span.partition(".")[0] in groups - {"name", "seed"}:
            assert span in settings() or Path(span).suffix in (".json", ".yaml", ".py"), span
    for option, of_it in batches.items():
        for batch in of_it:
            composes(([option] if option else []) + list(batch.values()))


def test_a_mistake_in_a_page_would_be_found() -> None:
    for command in ("trian", "worker --nmae ada", "db serve --prot 1", "sample latest faces.png", "db status now"):
        with pytest.raises(AssertionError):
            check_command(command.split())
    for command in ("train stop.minuts=3", "train --cgf job", "demo codec=fp61", "solo -m seed=0,x"):
        with pytest.raises(ConfigError):
            check_command(command.split())
    assert slug("What `make` does: summary.json") == "what-make-does-summaryjson"


@every_page
def test_pages_are_finished_and_private(page: Path) -> None:
    text = text_of(page)
    assert not re.search(r"\b(TODO|FIXME|TBD|WIP|XXX)\b|lorem ipsum|coming soon", text, re.IGNORECASE)
    private = r"/home/\w|/root\b|/Users/\w|[A-Z]:\\Users|/tmp/\w"
    assert not re.search(private, text), "a path of one machine"
    for number, line in enumerate(text.splitlines(), 1):
        assert len(line) <= 140 or line.startswith("|"), f"line {number} is too long"
