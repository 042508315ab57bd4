"""Play a scene on real sessions, in one order, and record each moment.

A statement that waits is found out by asking the server (pg_blocking_pids), never by the time that has passed. Then the
order goes on with another session.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ganns.db.address import Address
from ganns.errors import ConfigError
from ganns.exercises.microscope.director import Director, has_circle
from ganns.exercises.microscope.recording import Kind, Moment, Outcome, Recording, Row, Snapshot, renumbered
from ganns.exercises.microscope.scene import Role, Scene
from ganns.exercises.microscope.schedule import KILL, Order, Played, usual_choice
from ganns.exercises.microscope.session import SceneSession
from ganns.exercises.microscope.statements import Statement, insert

COMPUTING_S = 20.0
"""A statement that neither ends nor waits for another session is ended after this time."""
QUICK_S = 0.004
"""Most statements are answered within this time; only then the server is asked whether a statement waits."""
DEADLOCK_MS = 300
"""When the server looks for a deadlock: later for later sessions, so that it ends the first one."""
UNSEEING = {"COMMIT", "END", "ROLLBACK", "LISTEN", "UNLISTEN", "NOTIFY", "SAVEPOINT", "RELEASE"}
"""Statements that take no snapshot."""
MISTAKE = "42"
"""The class of the server's errors for a statement that is wrong by itself: a typo, no such table."""
Choose = Callable[[Sequence[str], str], str]
Watch = Callable[[Moment], None]


class NotNow(ConfigError):
    """An order names a session that cannot go on at that point."""


class _Actor:
    """A session while it plays its role in one order."""

    def __init__(self, number: int, role: Role, session: SceneSession) -> None:
        self.number, self.role, self.session = number, role, session
        self.at = 0  # the step that is next
        self.state: Literal["ready", "waits", "listens", "over"] = "ready"
        self.text = ""  # of the present step, with the values of variables
        self.variables: dict[str, str | None] = {}
        self.transaction: int | None = None
        self.sees: Snapshot | None = None
        self.was_killed = self.failed = False

    @property
    def statement(self) -> Statement:
        """The statement of the present step that may have to wait."""
        return self.role.steps[self.at].last


@dataclass
class _Show:
    """One order while it is played."""

    actors: list[_Actor]
    moments: list[Moment]
    deadlock: bool = False
    evidence: str = ""  # for the verdict
    committed: tuple[Row, ...] = ()  # the watched rows, after the last commit


class Player:
    """The sessions of a scene, which play it as often as you like."""

    def __init__(self, address: Address, scene: Scene) -> None:
        """Connect to a database in which the schemas `scene` and `microscope` are ours."""
        self.scene, self._address = scene, address
        self._director = Director(address, scene)
        self._sessions: dict[str, SceneSession] = {}
        self._show = _Show([], [])
        self._on_moment: Watch | None = None  # while recording

    def __enter__(self) -> Player:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        for one in (*self._sessions.values(), self._director.session):
            one.close()

    # ------------------------------------------------------------------------------------------------- one order

    def play(self, order: Order = (), choose: Choose = usual_choice) -> Played:
        """Play an order, and after its end what `choose` chooses.

        Raises:
            ConfigError: the scene has a mistake; `NotNow`: the order is impossible.
        """
        show = self._begin()
        played: list[str] = []
        options: list[Order] = []
        while now := self._options():
            if len(played) < len(order):
                choice = order[len(played)]
                if choice not in now:
                    raise NotNow(
                        f"The order's place {len(played) + 1} is {choice!r}, which is not possible there: choose from "
                        f"{', '.join(now)}. A session that waits cannot go on."
                    )
            else:
                choice = choose(now, played[-1] if played else "")
            played.append(choice)
            options.append(now)
            self._do(choice)
        for one in show.actors:
            if not one.was_killed:
                one.session.clear()
        failed = any(one.failed for one in show.actors)
        waited = any(one.outcome == "waits" for one in show.moments)
        held, show.evidence = self._director.judge()
        return Played(tuple(played), tuple(options), held, show.deadlock, waited, failed)

    def record(self, order: Order = (), choose: Choose = usual_choice, on_moment: Watch | None = None) -> Recording:
        """Play an order, and record what each session sees, locks and waits for; `on_moment` gets each moment."""
        self._on_moment = on_moment or (lambda _: None)
        try:
            played = self.play(order, choose)
        finally:
            self._on_moment = None
        scene, show = self.scene, self._show
        return renumbered(
            Recording(
                scene=scene.name,
                title=scene.title,
                about=scene.about,
                promise=scene.promise,
                sessions=scene.names,
                order=" ".join(played.order),
                moments=tuple(show.moments),
                held=played.held,
                evidence=show.evidence,
                at_the_end=self._director.rows(),
                deadlock=played.deadlock,
                stuck=tuple(one.number for one in show.actors if one.state in ("waits", "listens")),
            )
        )

    def _begin(self) -> _Show:
        for session in self._sessions.values():
            if not session.conn.closed:
                session.clear()
        self._director.set_up()
        actors = [
            _Actor(number, role, self._session(role.name, number)) for number, role in enumerate(self.scene.roles)
        ]
        self._show = _Show(actors, [], committed=self._director.rows() if self._on_moment else ())
        return self._show

    def _session(self, name: str, number: int) -> SceneSession:
        found = self._sessions.get(name)
        if found is None or found.conn.closed:
            deadlock_ms = DEADLOCK_MS * (number + 1) if self._director.is_superuser else None
            found = self._sessions[name] = SceneSession(self._address, name, deadlock_ms)
        return found

    def _options(self) -> Order:
        """Return who can go on now. If nobody can, a wait for a notification with a limit ends."""
        actors = self._show.actors
        while True:
            over = {one.role.name for one in actors if one.state == "over"}
            ready = [one for one in actors if one.state == "ready" and (not one.role.after or one.role.after in over)]
            names = [one.role.name for one in ready]
            if not any(one.was_killed for one in actors):
                names += [f"{KILL}{one.role.name}" for one in ready if one.role.mortal and one.at > 0]
            if ready:
                return tuple(names)
            tired = next((one for one in actors if one.state == "listens" and one.statement.limit_s), None)
            if tired is None:
                return ()
            self._went_on(tired, f"none came within {tired.statement.limit_s} s")

    # -------------------------------------------------------------------------------------------------- one step

    def _do(self, choice: str) -> None:
        """Let a session do its next step, until it is done or waits; then let others go on that waited for it."""
        actor = next(one for one in self._show.actors if one.role.name == choice.removeprefix(KILL))
        if choice.startswith(KILL):
            self._director.kill(actor.session.process)
            was_open = actor.session.in_transaction
            actor.session.close()
            actor.state, actor.was_killed = "over", True
            self._add(actor, "killed", "killed", "its transaction is undone" if was_open else "")
        else:
            self._start(actor)
            self._until_done_or_waiting(actor)
        self._let_others_go_on()

    def _start(self, actor: _Actor) -> None:
        *opening, last = actor.role.steps[actor.at].statements
        session, texts = actor.session, []
        actor.sees = None
        for one in opening:
            texts.append(one.text + ";")
            session.run(one.text)
            self._refuse_mistakes(one, session)
        if last.kind == "wait":
            actor.text = last.text
            return
        try:
            text = insert(last.text, actor.variables)
        except KeyError as error:
            raise self._director.mistake(last, f"nothing has set :{error.args[0]}") from None
        actor.text = "\n".join([*texts, text + ";"])
        if self._on_moment and last.command not in UNSEEING:
            xmin, xmax, running = session.ask("snapshot")
            actor.sees = Snapshot(xmin, xmax, tuple(running))
        session.send(text)

    def _until_done_or_waiting(self, actor: _Actor) -> None:
        session = actor.session
        if actor.statement.kind == "wait":
            if channel := session.notification():
                self._complete(actor, "step", f"a notification came: {channel}")
            else:
                actor.state = "listens"
                self._add(actor, "step", "waits for a notification")
            return
        ends_at = time.monotonic() + COMPUTING_S
        while not session.is_done(QUICK_S):
            if blockers := self._director.blockers([session.process])[session.process]:
                actor.state = "waits"
                self._add(actor, "step", "waits", waits_for=self._sessions_of(blockers))
                return
            self._end_if_late(actor, ends_at)
        self._complete(actor, "step", session.answer)

    def _let_others_go_on(self) -> None:
        """Wait until each statement in flight waits for another session, and not in a circle."""
        ends_at = time.monotonic() + COMPUTING_S
        while flying := [one for one in self._show.actors if one.state == "waits"]:
            done = [one for one in flying if one.session.is_done(0)]
            for one in done:
                self._went_on(one, one.session.answer)
            if done:
                continue
            blockers = self._director.blockers([one.session.process for one in flying])
            if all(blockers.values()) and not has_circle(blockers):
                break
            for one in flying:
                if not blockers[one.session.process]:
                    self._end_if_late(one, ends_at)
            flying[0].session.is_done(QUICK_S)
        for one in self._show.actors:
            if one.state == "listens" and (channel := one.session.notification()):
                self._went_on(one, f"a notification came: {channel}")

    def _went_on(self, actor: _Actor, answer: str) -> None:
        actor.state = "ready"
        self._complete(actor, "went on", answer)

    def _complete(self, actor: _Actor, kind: Kind, answer: str) -> None:
        """Take a finished statement's answer, and go to the next step."""
        statement, session = actor.statement, actor.session
        if statement.kind == "sql" and session.failed:
            self._refuse_mistakes(statement, session)
            self._show.deadlock = self._show.deadlock or session.has_deadlock
            if session.in_transaction:  # a program would end here, too: its transaction is undone
                session.run("ROLLBACK")
            actor.state, actor.failed = "over", True
            self._add(actor, kind, "error", answer)
            return
        if statement.keeps:
            actor.variables |= session.values
        self._add(actor, kind, "done", answer)
        actor.at += 1
        if actor.at == len(actor.role.steps):
            actor.state = "over"
            if session.in_transaction:
                raise self._director.mistake(statement, f"{actor.role.name} ends inside a transaction: add COMMIT")

    def _sessions_of(self, processes: Sequence[int]) -> tuple[int, ...]:
        known = {one.session.process: one.number for one in self._show.actors}
        return tuple(sorted({known.get(process, -1) for process in processes}))

    def _end_if_late(self, actor: _Actor, ends_at: float) -> None:
        if time.monotonic() > ends_at:
            actor.session.cancel()
            words = f"it had not ended after {COMPUTING_S:g} s, but waits for nobody"
            raise self._director.mistake(actor.statement, words)

    def _refuse_mistakes(self, statement: Statement, session: SceneSession) -> None:
        if session.failed and session.code.startswith(MISTAKE):
            raise self._director.mistake(statement, session.answer)

    # ------------------------------------------------------------------------------------------------- recording

    def _add(
        self, actor: _Actor, kind: Kind, outcome: Outcome, answer: str = "", waits_for: tuple[int, ...] = ()
    ) -> None:
        """Add a moment. What the microscope sees costs time: it looks only while it records."""
        note = actor.role.steps[actor.at].note
        moment = Moment(actor.number, kind, actor.at, actor.text, outcome, answer, note, waits_for)
        if self._on_moment:
            moment = self._described(actor, moment)
            self._on_moment(moment)
        self._show.moments.append(moment)

    def _described(self, actor: _Actor, moment: Moment) -> Moment:
        show, director, process = self._show, self._director, actor.session.process
        actor.transaction = number = director.numbers([process]).get(process, actor.transaction)
        rows: tuple[Row, ...] = ()
        commits = ended = False
        if moment.outcome in ("done", "error"):
            ended = not actor.session.in_transaction
            rows = director.rows(None if ended else actor.session)
        if ended or moment.outcome == "killed":
            now = director.rows()
            is_commit = actor.statement.command in ("COMMIT", "END")
            commits = moment.outcome == "done" and (is_commit or now != show.committed)
            if commits and number is None:  # a statement without BEGIN: its number is in the rows that it wrote
                old = {row.xmin for row in show.committed}
                number = max((row.xmin for row in now if row.xmin not in old), default=None)
            show.committed, actor.transaction = now, None
        return replace(
            moment, commits=commits, number=number, sees=actor.sees, locks=director.locks(process), rows=rows
        )
