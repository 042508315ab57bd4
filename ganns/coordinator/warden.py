"""The warden: ends students' sessions that hold up the class, and says whose they are.

It runs once a second beside the rounds, on a thread and a connection of its own that stays open from the start: an
attacker who uses up the server's connections or its memory for locks keeps others from logging in, but not this one.
`offences.py` has the rules. The coordinator itself waits for no lock without a limit (`connections.py`); the warden is
the reason why it soon gets what it needs.

It also cancels our own statements that wait for a lock when the program is told to stop, so that Ctrl-C is obeyed
whatever is locked.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import psycopg
from psycopg import sql

from ganns.coordinator.connections import connect_own, own_prefix
from ganns.coordinator.offences import Seen, SessionLimits, offence
from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.db.server.programs import CLASS_LOGIN
from ganns.errors import DatabaseError, GannsError
from ganns.queue.commands import wake
from ganns.store import sessions
from ganns.store.rounds import QUEUE
from ganns.store.sessions import Session, Student, Wait
from ganns.utils.background import end_before_exit

TICK_S = 1.0
LOOK_S = 0.25
"""The thread looks this often whether the program is told to stop."""
STOP_S = 0.3
"""A statement that waits for a lock is cancelled this long after the program was told to stop."""
HEAR_S = 0.05
"""The notifications are read for this time in each tick."""
COUNTED_TICKS = 5
"""Number of ticks over which a flood is counted."""
REFRESH_TICKS = 5
"""Number of ticks between two reads of the list of students."""
QUEUE_FULL = 0.05
"""Above this share of its room the queue of notifications is worth a message. It has room for 8 GB."""
SAY_EVERY_S = 30.0
OFFENCES = 3
"""From this number of ended sessions within a day on, the message says how to shut the login out."""


class Warden:
    """Watches the students' sessions for one coordinator."""

    def __init__(
        self, run_id: int, say: Callable[[str], None], *, revoke_after: int = 0, limits: SessionLimits | None = None
    ) -> None:
        """Keep the settings; `watching` starts the thread.

        Args:
            run_id: the coordinator's run.
            say: shows a message to the instructor; called on the warden's thread.
            revoke_after: number of sessions ended within a day after which a login is shut out; 0: never.
            limits: what a session may do.
        """
        self._run_id, self._say, self._revoke_after = run_id, say, revoke_after
        self._limits = limits or SessionLimits()
        self._students: dict[int, Student] = {}
        self._others: set[int] = set()  # roles that are no students'
        self._role, self._login = 0, ""
        self._ticks = 0
        self._ear: Connection | None = None
        self._heard_at = time.monotonic()
        self._advisory_since: dict[tuple[int, datetime], float] = {}
        self._heard: deque[tuple[float, Counter[int]]] = deque(maxlen=COUNTED_TICKS)  # seconds, number by process
        self._waits: list[Wait] = []
        self._said: dict[str, float] = {}
        self._unrecorded: list[tuple[Session, str]] = []
        self._closing = threading.Event()

    # ---------------------------------------------------------------------------------------------- one tick

    def begin(self, conn: Connection) -> None:
        """Prepare a connection for ticks: read who is watched."""
        self._role, self._login = sessions.me(conn)
        self._refresh(conn)
        if self._login == CLASS_LOGIN:
            self._say_seldom(
                f"this coordinator uses the class's login, {CLASS_LOGIN}: the warden cannot tell its sessions from "
                "students', and ends none of them. Train with a login of your own"
            )

    def listen(self, ear: Connection) -> None:
        """Hear the notifications on our programs' channels, on a connection that does nothing else.

        In a flood, a connection that also asks would get each answer only behind all that was sent before.
        """
        self._ear = ear
        for channel in (
            f"ganns_run_{self._run_id}",
            "ganns_events",
            "procrastinate_any_queue_v1",
            f"procrastinate_queue_v1#{QUEUE}",
        ):
            ear.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))

    def _hear(self) -> None:
        """Count the notifications by sender, for a moment, and keep the seconds in which they came, or were read."""
        now, notifies = time.monotonic(), Counter[int]()
        passed_s, self._heard_at = max(now - self._heard_at, HEAR_S), now
        self._heard.append((passed_s, notifies))
        if self._ear is None or self._ear.closed:
            return
        notifies.update(note.pid for note in self._ear.notifies(timeout=HEAR_S))
        if notifies.total() > passed_s * self._limits.notifies_per_s:
            self._ear.close()  # with all that was sent and not read yet; another one is opened

    def _notifies_per_s(self, pid: int) -> float:
        """Return a process's notifications a second over the last ticks; 0 if all came in one tick.

        One burst proves nothing. But a flood of long statements comes in bursts, too, with quiet ticks between them.
        """
        numbers = [heard[pid] for _, heard in self._heard]
        return sum(numbers) / sum(passed_s for passed_s, _ in self._heard) if sum(map(bool, numbers)) > 1 else 0.0

    def tick(self, conn: Connection) -> list[tuple[Student, str]]:
        """Look at all sessions once, and end those that hold up the class; return whose they were, and why."""
        now = time.monotonic()
        self._hear()
        self._waits = sessions.list_waits(conn, self._role)
        found = sessions.list_sessions(conn, self._others)
        if any(one.role not in self._students for one in found):  # a login that is younger than the last look at them
            # Where the memory for locks is used up, perhaps by itself, no one says whose it is: then it is a student's.
            with suppress(psycopg.Error):
                self._refresh(conn)
                found = [one for one in found if one.role in self._students]
        ended = []
        for one in found:
            if not one.is_readable:
                self._say_seldom(
                    f"the warden cannot see what students' sessions do: an administrator types GRANT pg_read_all_stats "
                    f"TO {self._login}, or makes this login a member of theirs"
                )
            reason = offence(one, self._look_at(one, now), self._limits)
            if reason is not None and self._end(conn, one, reason):
                ended.append((self._student(one.role), reason))
        self._forget_gone(found)
        if (used := sessions.notification_queue(conn)) > QUEUE_FULL:
            self._say_seldom(f"the queue of notifications is {used:.0%} full: a session listens and reads nothing")
        with suppress(psycopg.OperationalError):  # the session is not gone yet, or the table is locked: next time
            self._record(conn)
        if ended:
            with suppress(psycopg.OperationalError):  # the jobs that they held can be fetched now
                wake(QUEUE, connection=conn)
        self._ticks += 1
        if self._ticks % REFRESH_TICKS == 0:
            self._refresh(conn)
        return ended

    def _refresh(self, conn: Connection) -> None:
        """Read who is watched. A login that is made between the two queries is in neither, and so looked up again."""
        roles = sessions.all_roles(conn)
        self._students = sessions.student_logins(conn)
        self._others = roles - self._students.keys()

    def _student(self, role: int) -> Student:
        return self._students.get(role) or Student(role, f"number {role}", "", shared=False)

    def holder(self) -> str:
        """Return who holds a lock that the coordinator waits for, or did at the last look: for a message."""
        if not self._waits:
            return "who holds it is not known"
        one = self._waits[0]
        what = f" ({one.of})" if one.of else ""
        return f"{self._who(one.role, one.login)} holds it, with server process {one.pid}{what}"

    def _look_at(self, one: Session, now: float) -> Seen:
        key = (one.pid, one.start)
        since = self._advisory_since.setdefault(key, now) if one.num_advisory else now
        if not one.num_advisory:
            self._advisory_since.pop(key, None)
        blocks_s = max((wait.waits_s for wait in self._waits if wait.pid == one.pid), default=0.0)
        return Seen(blocks_s, now - since, self._notifies_per_s(one.pid))

    def _forget_gone(self, found: list[Session]) -> None:
        there = {(one.pid, one.start) for one in found}
        self._advisory_since = {key: at for key, at in self._advisory_since.items() if key in there}

    def _end(self, conn: Connection, one: Session, reason: str) -> bool:
        """End a session first, and record it afterwards: nothing may keep the warden from the first."""
        try:
            ended = sessions.end_session(conn, one)
        except psycopg.errors.InsufficientPrivilege:
            who = self._who(one.role, self._student(one.role).login)
            self._say_seldom(
                f"the warden cannot end a session of {who} ({reason}): an administrator types GRANT pg_signal_backend "
                f"TO {self._login}, or makes this login a member of theirs"
            )
            return False
        if ended:
            self._unrecorded.append((one, reason))
        return ended

    def _record(self, conn: Connection) -> None:
        """Record and say what was ended; what cannot be recorded now is tried again at the next tick."""
        while self._unrecorded:
            one, reason = self._unrecorded[0]
            if one.role not in self._students:
                self._refresh(conn)
            student = self._student(one.role)
            recorded = sessions.record_ended(conn, self._run_id, student, one, reason)
            self._unrecorded.pop(0)
            if recorded is None:
                continue
            workers, num = recorded
            who = self._who(student.role, student.login) + (f", worker {workers}" if workers else "")
            text = f"ended a session of {who}: {reason}"
            if num >= OFFENCES and not student.shared:
                text += f"; it is the {num}. within a day: `ganns students revoke {student.login}` shuts this login out"
            self._say(text)
            if self._revoke_after and num >= self._revoke_after:
                self._revoke(conn, student, num)

    def _revoke(self, conn: Connection, student: Student, num: int) -> None:
        """Shut a login out, because the instructor asked for it (`db.revoke_after`); never the class's shared one."""
        who = self._who(student.role, student.login)
        if student.shared:
            self._say_seldom(f"{who} is the login of the whole class, and is not shut out (db.revoke_after)")
            return
        try:
            sessions.revoke(conn, self._run_id, student, f"{num} sessions were ended within a day")
        except (GannsError, psycopg.errors.InsufficientPrivilege) as error:
            self._say_seldom(f"{who} cannot be shut out: {error}")
            return
        self._say(f"{who} is shut out: {num} of its sessions were ended within a day (db.revoke_after)")

    def _who(self, role: int, login: str) -> str:
        student = self._students.get(role)
        return f"login {login}" + (f" ({student.label})" if student and student.label else "")

    def _say_seldom(self, text: str) -> None:
        """Say a text, but not again within half a minute."""
        key, now = text[:60], time.monotonic()
        if now >= self._said.get(key, 0.0):
            self._said[key] = now + SAY_EVERY_S
            self._say(text)

    # ---------------------------------------------------------------------------------------------- the thread

    @contextmanager
    def watching(self, address: Address, should_stop: Callable[[], bool]) -> Iterator[None]:
        """Watch on a thread within this block. `should_stop` is polled, on that thread."""
        thread = threading.Thread(target=self._run, args=(address, should_stop), name="warden", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._closing.set()
            thread.join(1.0)  # longer where the server does not answer
            end_before_exit(thread)

    def _run(self, address: Address, should_stop: Callable[[], bool]) -> None:
        conn: Connection | None = None
        tick_at, stopped_at = 0.0, None
        while True:
            try:
                if conn is None or conn.closed or conn.broken:
                    conn = None
                    conn = connect_own(address, self._run_id, "warden", LOOK_S, prepare=True)
                    self.begin(conn)
                if self._ear is None or self._ear.closed or self._ear.broken:
                    self.listen(connect_own(address, self._run_id, "warden's ear", LOOK_S))
                now = time.monotonic()
                if now >= tick_at:
                    tick_at = now + TICK_S
                    self.tick(conn)
                if should_stop():
                    stopped_at = stopped_at or now
                    if now >= stopped_at + STOP_S:
                        sessions.cancel_waiting(conn, self._role, own_prefix(self._run_id))
            except (psycopg.Error, DatabaseError, OSError) as error:
                # No memory for locks, or a lock on our own table: the connection stays, and the next tick comes.
                if not (self._closing.is_set() or should_stop()):
                    self._say_seldom(f"the warden could not look ({type(error).__name__}: {error!s:.200}); it goes on")
            if self._closing.wait(LOOK_S):
                break
        for one in filter(None, (conn, self._ear)):
            with suppress(psycopg.Error):
                one.close()
