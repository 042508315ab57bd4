"""Chains, groups and chords: Celery's canvas, with quorums.

chain(a.s(1), b.s())                       b with a's result; `a.s(1) | b.s()` is the same
group(a.s(n) for n in range(100))          side by side
chord(header, body.s(), quorum=80)         body once, with the first 80 results; the other 20 are revoked
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.errors import BadArguments, TaskUsageError
from ganns.queue.arguments import to_json
from ganns.queue.connection import using
from ganns.queue.results import AsyncResult, GroupResult

Plan = list[dict[str, Any]]
"""The steps as the database wants them: see the head of sql/migrations/0002_tasks.sql."""


class Canvas:
    """What can be enqueued: a signature, chain, group or chord."""

    def plan(self, with_result: bool = False) -> Plan:
        """Return the steps as the database wants them; `with_result`: a previous task's result comes first."""
        raise NotImplementedError

    def __or__(self, other: Canvas) -> Chain:
        """`a | b`: b with a's result; after a group, b is the body of a chord."""
        return chain(self, other)


class Chain(Canvas):
    """One after the other."""

    def __init__(self, links: Iterable[Canvas]) -> None:
        """Keep the links; chains inside it are spliced in."""
        self.links: list[Canvas] = []
        for link in links:
            self.links.extend(link.links if isinstance(link, Chain) else [link])
        if not self.links:
            raise TaskUsageError("An empty chain has nothing to do: give it at least one signature.")

    def plan(self, with_result: bool = False) -> Plan:
        """Return the links' steps."""
        steps = list(self.links[0].plan(with_result))
        for link in self.links[1:]:
            steps.extend(link.plan(with_result=True))
        return steps

    def delay(self) -> AsyncResult:
        """Enqueue the chain; its result is the last link's."""
        return self.apply_async()

    def apply_async(self, *, connection: Connection | None = None) -> AsyncResult:
        """Enqueue the chain, in the connection's transaction; its result is the last link's."""
        return _apply_as_one(self.plan(), connection)


class Group(Canvas):
    """Side by side."""

    def __init__(self, members: Iterable[Canvas]) -> None:
        """Keep the members."""
        self.members = list(members)
        if not self.members:
            raise TaskUsageError("An empty group has nothing to do: give it at least one signature.")

    def plan(self, with_result: bool = False) -> Plan:
        """Return one step, of all members."""
        return [{"group": [member.plan(with_result) for member in self.members]}]

    def delay(self) -> GroupResult:
        """Enqueue all members."""
        return self.apply_async()

    def apply_async(self, *, connection: Connection | None = None) -> GroupResult:
        """Enqueue all members in one statement, in the connection's transaction; the jobs are in the members' order."""
        plan = self.plan()
        group_id, job_ids = apply(plan, connection)
        assert group_id is not None
        # Only a member that is one call has a job whose result is the member's.
        jobs = iter(job_ids)
        first = [None if "group" in member[0] else next(jobs) for member in plan[0]["group"]]
        single = [job if len(member) == 1 else None for job, member in zip(first, plan[0]["group"], strict=True)]
        return GroupResult(group_id, single, connection=connection)


class Chord(Canvas):
    """A group, and a body that runs once with its results."""

    def __init__(
        self,
        header: Iterable[Canvas] | Group,
        body: Canvas,
        *,
        quorum: int | None = None,
        spares: int | None = None,
        deadline: float | None = None,
        grace: float = 0.0,
    ) -> None:
        """Check that the numbers fit together; see `chord`."""
        self.header = header if isinstance(header, Group) else Group(header)
        size = len(self.header.members)
        if quorum is None:
            quorum = size - (spares or 0)
        if spares is not None and quorum + spares != size:
            raise TaskUsageError(f"quorum={quorum} and spares={spares} do not make the header's {size} members.")
        if not 1 <= quorum <= size:
            raise TaskUsageError(f"quorum={quorum} must be between 1 and the header's {size} members.")
        self.body, self.quorum, self.deadline, self.grace = body, quorum, deadline, grace

    def plan(self, with_result: bool = False) -> Plan:
        """Return the group's step and the body's."""
        step: dict[str, Any] = self.header.plan(with_result)[0] | {"quorum": self.quorum}
        if self.deadline is not None:
            step["deadline_s"] = self.deadline
        if self.grace:
            step["grace_s"] = self.grace
        return [step, *self.body.plan(with_result=True)]

    def delay(self) -> AsyncResult:
        """Enqueue the chord; its result is the body's."""
        return self.apply_async()

    def apply_async(self, *, connection: Connection | None = None) -> AsyncResult:
        """Enqueue the chord, in the connection's transaction; its result is the body's."""
        return _apply_as_one(self.plan(), connection)


def _apply_as_one(plan: Plan, connection: Connection | None) -> AsyncResult:
    """Enqueue a plan as the only member of a group: its last job has no number yet, but its place has one."""
    group_id, _ = apply([{"group": [plan]}], connection)
    return AsyncResult(None, group_id=group_id, index=0, connection=connection)


def chain(*links: Canvas) -> Chain:
    """Return a chain: each link gets the result of the one before as its first argument (but for `.si()`)."""
    return Chain(links)


def group(*members: Canvas | Iterable[Canvas]) -> Group:
    """Return a group of signatures, given one by one or as an iterable."""
    if len(members) == 1 and not isinstance(members[0], Canvas):
        return Group(members[0])
    return Group(member for member in members if isinstance(member, Canvas))


def chord(
    header: Iterable[Canvas] | Group,
    body: Canvas,
    *,
    quorum: int | None = None,
    spares: int | None = None,
    deadline: float | None = None,
    grace: float = 0.0,
) -> Chord:
    """Return a chord: `body` runs exactly once, with the list of its members' results in the members' order.

    Args:
        header: the members.
        body: gets the list as its first argument (but for `.si()`).
        quorum: how many results suffice; all of them without one. The members that are left over are revoked.
        spares: how many members are there beyond the quorum; checked against the other two numbers.
        deadline: seconds after which the results that there are suffice, if there is one; with none it fails.
        grace: seconds during which further results are still taken in after the quorum is reached.

    A member that failed for good, or was revoked, can no longer count: when too few are left for the quorum the
    chord fails at once, and its result says why.

    Raises:
        TaskUsageError: if the numbers do not fit together.
    """
    return Chord(header, body, quorum=quorum, spares=spares, deadline=deadline, grace=grace)


def apply(plan: Plan, connection: Connection | None) -> tuple[int | None, list[int]]:
    """Enqueue a plan in one statement; return (group, jobs in order)."""
    try:
        text = to_json(plan, "Arguments")
    except BadArguments:
        for call in _calls(plan):  # say whose
            to_json(call["args"], f"The arguments of {call['task']}")
        raise
    row = execute(using(connection), "tasks_apply", plan=text).fetchone()
    assert row is not None
    return row["group_id"], list(row["job_ids"] or [])


def _calls(plan: Plan) -> list[dict[str, Any]]:
    return [
        call
        for step in plan
        for call in ([one for member in step["group"] for one in _calls(member)] if "group" in step else [step])
    ]


def plain(value: Any) -> Any:
    """Return an option's value as JSON has it: a time as ISO text, anything else as it is."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise BadArguments(f"The time {value} has no time zone: write datetime.now(UTC) + ..., or use countdown.")
        return value.isoformat()
    return value
