"""Create the tables, ask the server what the other sessions do, and judge the promise, in a session of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from ganns.db.address import Address
from ganns.errors import ConfigError
from ganns.exercises.microscope.recording import SEVERAL, Lock, Row
from ganns.exercises.microscope.scene import Scene
from ganns.exercises.microscope.session import SceneSession
from ganns.exercises.microscope.statements import Statement

PROBE = Path(__file__).with_name("probe.sql")


class Director:
    """The microscope's own session, with its functions in the schema `microscope` (probe.sql)."""

    def __init__(self, address: Address, scene: Scene) -> None:
        """Connect to a database in which the schemas `scene` and `microscope` are ours."""
        self.scene = scene
        self.session = SceneSession(address, "the microscope")
        self._first_number = 0  # of the transactions after the setup
        self.session.conn.execute(PROBE.read_bytes())

    @property
    def is_superuser(self) -> bool:
        """Whether the login is a superuser, as in the exercises' own server."""
        return self.session.conn.info.parameter_status("is_superuser") == "on"

    def set_up(self) -> None:
        """Make the scene's tables anew."""
        self.session.ask("clear")
        for one in self.scene.setup:
            text = self.scene.includes[one.text] if one.kind == "include" else one.text
            try:
                self.session.conn.execute(text.encode())
            except psycopg.Error as error:
                raise self.mistake(one, _words(error)) from error
        self._first_number = self.session.ask("snapshot")[1]

    def judge(self) -> tuple[bool, str]:
        """Return whether the promise holds, and the further columns of its query, as "jobs = 1, 1"."""
        try:
            cursor = self.session.conn.execute(self.scene.question.encode())
            row = cursor.fetchone()
        except psycopg.Error as error:
            raise ConfigError(f"{self.scene.name}: the promise's query does not run: {_words(error)}.") from error
        if row is None or not isinstance(row[0], bool | None):
            raise ConfigError(f"{self.scene.name}: the promise's query should answer true or false, not {row!r}.")
        names = [one.name for one in cursor.description or ()]
        evidence = [f"{name} = {value}" for name, value in zip(names[1:], row[1:], strict=True)]
        return bool(row[0]), ", ".join(evidence)

    def mistake(self, statement: Statement, words: str) -> ConfigError:
        """Return the error for a mistake in the scene."""
        return ConfigError(f"{self.scene.name}.sql, line {statement.line}: {words.rstrip('.')}.")

    def blockers(self, processes: Sequence[int]) -> dict[int, list[int]]:
        """Return the processes that each of these waits for."""
        return {int(one): others for one, others in self.session.ask("blockers", _array(processes)).items()}

    def numbers(self, processes: Sequence[int]) -> dict[int, int]:
        """Return the number of each process's transaction, where it has one."""
        return {int(one): number for one, number in self.session.ask("numbers", _array(processes)).items()}

    def locks(self, process: int) -> tuple[Lock, ...]:
        """Return the locks that a process holds or waits for."""
        found: list[list[Any]] = self.session.ask("locks", _array([process]))
        return tuple(dict.fromkeys(Lock(what, mode, granted) for _, what, mode, granted in found))

    def rows(self, session: SceneSession | None = None) -> tuple[Row, ...]:
        """Return the watched rows, as a session sees them; by default, as everybody does."""
        if not self.scene.watch:
            return ()
        found: list[list[Any]] = (session or self.session).ask("rows", _array(self.scene.watch))
        # A row that several sessions lock has another kind of number there, a small one.
        return tuple(
            Row(table, values, xmin, xmax if xmax == 0 or xmax >= self._first_number else SEVERAL)
            for table, xmin, xmax, values in found
        )

    def kill(self, process: int) -> None:
        """End a process, and wait until it is gone."""
        self.session.ask("kill", str(process))


def _array(values: Sequence[int] | Sequence[str]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def _words(error: psycopg.Error) -> str:
    return str(error.diag.message_primary or error).strip().rstrip(".")


def has_circle(blockers: dict[int, list[int]]) -> bool:
    """Tell whether processes wait for each other in a circle: the server will soon end one of them."""
    waiting = {process: {one for one in others if one in blockers} for process, others in blockers.items()}
    while free := [process for process, others in waiting.items() if not others]:
        for process in free:
            del waiting[process]
        for others in waiting.values():
            others.difference_update(free)
    return bool(waiting)
