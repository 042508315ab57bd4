r"""A scene: tables, two to four sessions with their steps, and a promise. It is a file of SQL with comments.

The file begins with `-- scene: TITLE`, lines about it, and the tables that are shown, `-- watch: results, groups`.
Then come sections. `-- setup` makes the tables; `\i FILE` reads another file there. `-- session: ada` has ada's
statements; a comment above a statement explains it, `\gset` instead of the semicolon keeps its row in variables (`:n`),
`\wait` waits for a notification. `-- session: bob, after ada` begins when ada has ended, and `-- session: ada, may be
killed` may end anywhere. `-- promise: WORDS` has one query, which must answer true at the end. `scenes/` has examples.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from ganns.errors import ConfigError
from ganns.exercises.microscope.statements import Statement, split, variables_of

FOLDER = Path(__file__).parent / "scenes"
MAX_SESSIONS, MAX_STEPS = 4, 40
OPENING = {"BEGIN", "START", "SET"}
"""Statements that see and lock nothing: a step begins with them, and its next statement is in the same step."""
SECTION = re.compile(r"--\s*(?:(setup)|(scene|watch|see also|session|promise)\s*:\s*(.*?))\s*$")


@dataclass(frozen=True)
class Step:
    """One step of a session: BEGIN and the statement after it, or one statement."""

    statements: tuple[Statement, ...]

    @property
    def last(self) -> Statement:
        """The statement that may have to wait, and whose answer counts."""
        return self.statements[-1]

    @property
    def text(self) -> str:
        """Its SQL."""
        return "\n".join(one.text + (";" if one.kind == "sql" else "") for one in self.statements)

    @property
    def note(self) -> str:
        """The comment above it."""
        return " ".join(one.note for one in self.statements if one.note)


@dataclass(frozen=True)
class Role:
    """One session of a scene."""

    name: str
    steps: tuple[Step, ...]
    after: str = ""  # begins when this session has ended
    mortal: bool = False  # may be killed between two of its steps


@dataclass(frozen=True)
class Scene:
    """A scene; see the top of this file."""

    name: str
    title: str
    about: str
    setup: tuple[Statement, ...]
    roles: tuple[Role, ...]
    promise: str
    question: str  # the query that must answer true at the end
    watch: tuple[str, ...] = ()  # the tables whose rows are shown
    see_also: str = ""
    includes: dict[str, str] = field(default_factory=dict)  # file -> text, of the setup's \i

    @property
    def names(self) -> tuple[str, ...]:
        """The sessions' names."""
        return tuple(role.name for role in self.roles)


def ready() -> list[str]:
    """Return the names of the ready scenes."""
    return sorted(path.stem for path in FOLDER.glob("*.sql"))


def find(name: str) -> Scene:
    """Return a ready scene by its name, or one of your own by its file's.

    Raises:
        ConfigError: there is none, or its file has a mistake.
    """
    if name in ready():
        return load(FOLDER / f"{name}.sql")
    if name.endswith(".sql"):
        return load(Path(name))
    raise ConfigError(
        f"There is no scene {name!r}: `ganns microscope list` shows the ready ones; a file of your own ends with .sql."
    )


def load(path: Path) -> Scene:
    """Read a scene's file.

    Raises:
        ConfigError: it cannot be read, or has a mistake; with the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise ConfigError(f"The scene {path} cannot be read: {reason}. `ganns microscope copy` makes one.") from error
    try:
        return parse(text, path.stem, path.parent)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}.") from error


def parse(text: str, name: str, folder: Path | None = None) -> Scene:
    r"""Return the scene of a text.

    Args:
        text: of the file.
        name: of the scene.
        folder: where the files of `\i` are; without it there is no `\i`.

    Raises:
        ValueError: a mistake, with the line.
    """
    head: dict[str, str] = {}
    about: list[str] = []
    setup: list[Statement] = []
    roles: list[Role] = []
    promise = question = ""
    for section, value, body, line in _sections(text):
        if section == "setup":
            setup += split(body, line)
        elif section == "session":
            roles.append(_role(value, split(body, line), line - 1))
        elif section == "promise":
            promise, found = value, split(body, line)
            if len(found) != 1:
                raise ValueError(f"line {line - 1}: a promise is one query that answers true, not {len(found)}")
            question = found[0].text
        else:
            head[section] = value
            about += [one.lstrip("- ") for one in body.splitlines() if one.startswith("--")]
    if "scene" not in head:
        raise ValueError("the first line should be `-- scene: TITLE`")
    if not question:
        raise ValueError("there is no promise: add `-- promise: WORDS` and a query that must answer true at the end")
    _check(roles)
    watch = tuple(one.strip() for one in head.get("watch", "").split(",") if one.strip())
    includes = {one.text: _included(one, folder) for one in setup if one.kind == "include"}
    words = " ".join(one for one in about if one)
    return Scene(
        name,
        head["scene"],
        words,
        tuple(setup),
        tuple(roles),
        promise,
        question,
        watch,
        head.get("see also", ""),
        includes,
    )


def _sections(text: str) -> list[tuple[str, str, str, int]]:
    """Return (section, its value, its body, the number of the body's first line)."""
    found: list[tuple[str, str, list[str], int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if match := SECTION.match(line):
            found.append((match[1] or match[2], match[3] or "", [], number + 1))
        elif found:
            found[-1][2].append(line)
        elif line.strip():
            raise ValueError(f"line {number}: the first line should be `-- scene: TITLE`")
    return [(section, value, "\n".join(lines) + "\n", line) for section, value, lines, line in found]


def _role(value: str, statements: list[Statement], line: int) -> Role:
    name, *extras = (one.strip() for one in value.split(","))
    if not re.fullmatch(r"[A-Za-z]\w{0,15}", name):
        raise ValueError(f"line {line}: {name!r} is no name for a session: use a short word, as in `-- session: ada`")
    after, mortal = "", False
    for extra in extras:
        if extra.startswith("after "):
            after = extra.removeprefix("after ").strip()
        elif extra == "may be killed":
            mortal = True
        else:
            raise ValueError(f"line {line}: {extra!r} is unknown: `after NAME` and `may be killed` are known")
    steps: list[Step] = []
    opening: list[Statement] = []
    has_kept = False
    for one in statements:
        if one.kind == "include":
            raise ValueError(f"line {one.line}: \\i belongs into the setup")
        for variable in variables_of(one.text):
            if not has_kept:
                raise ValueError(f"line {one.line}: nothing has set :{variable} yet; end a SELECT with \\gset")
        has_kept = has_kept or one.keeps
        opening.append(one)
        if one.command not in OPENING or one.kind != "sql":
            steps.append(Step(tuple(opening)))
            opening = []
    if opening or not steps:
        raise ValueError(f"line {line}: the session {name} needs a statement{' after its BEGIN' if opening else ''}")
    return Role(name, tuple(steps), after, mortal)


def _check(roles: list[Role]) -> None:
    names = [role.name for role in roles]
    if not 2 <= len(roles) <= MAX_SESSIONS:
        raise ValueError(f"a scene has 2 to {MAX_SESSIONS} sessions (`-- session: NAME`), not {len(roles)}")
    if len(set(names)) < len(names):
        raise ValueError(f"two sessions have the same name, of {', '.join(names)}")
    for role in roles:
        if role.after and (role.after == role.name or role.after not in names):
            raise ValueError(f"{role.name} begins after {role.after!r}, but the other sessions are {', '.join(names)}")
    if (num := sum(len(role.steps) for role in roles)) > MAX_STEPS:
        raise ValueError(f"the sessions have {num} steps; at most {MAX_STEPS} can be drawn")


def _included(statement: Statement, folder: Path | None) -> str:
    path = (folder or Path()) / statement.text
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"line {statement.line}: {path} cannot be read: {error}") from error
