"""Chains, groups and chords: Celery's canvas, with quorums.

chain(a.s(1), b.s())                       b with a's result; `a.s(1) | b.s()` is the same
group(a.s(n) for n in range(100))          all at the same time
chord(header, body.s(), quorum=80)         body runs once, with the first 80 results; the other 20 are revoked
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any, Generic, TypeVar

from ganns.db.connect import Connection
from ganns.errors import BadArguments, TaskUsageError
from ganns.queue.arguments import to_json
from ganns.queue.connection import run
from ganns.queue.options import moment, seconds
from ganns.queue.results import AsyncResult, GroupResult

R = TypeVar("R")
Plan = list[dict[str, Any]]
"""The steps in the database's form: see the head of sql/migrations/0002_tasks.sql."""


class Canvas:
    """The base of everything that can be enqueued: signatures, chains, groups and chords."""

    def plan(self, with_result: bool = False) -> Plan:
        """Return the steps in the database's form; `with_result`: the first call gets a previous task's result."""
        raise NotImplementedError

    def clone(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Canvas:
        """Return a copy whose first calls have more arguments: positional ones come first, named ones override."""
        raise NotImplementedError

    def __or__(self, other: Canvas) -> Chain:
        """Return the chain `a | b`: b gets a's result; after a group, b is the body of a chord."""
        return chain(self, other)


def _canvas(value: object) -> Canvas:
    """Return `value` if it can be enqueued.

    Raises:
        TaskUsageError: if it cannot, as a task without `.s()`.
    """
    if isinstance(value, Canvas):
        return value
    if (name := getattr(value, "name", None)) and hasattr(value, "s"):
        raise TaskUsageError(f"The task {name} has no arguments here: write {name.rpartition('.')[2]}.s(...).")
    raise TaskUsageError(f"{str(value)[:100]!r} cannot be enqueued: give signatures, such as add.s(1, 2).")


def _members(values: Iterable[object]) -> Iterator[Canvas]:
    """Yield the signatures in `values`; a list or generator among them gives its own members."""
    for value in values:
        if isinstance(value, Iterable) and not isinstance(value, str | bytes | dict):
            yield from map(_canvas, value)
        else:
            yield _canvas(value)


class Workflow(Canvas, Generic[R]):
    """Several calls that are enqueued together: a chain, a group or a chord."""

    def delay(self, *args: Any, **kwargs: Any) -> R:
        """Enqueue all calls, with more arguments for those that begin; see `apply_async`."""
        return self.apply_async(args, kwargs)

    __call__ = delay

    def apply_async(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        countdown: float | None = None,
        connection: Connection | None = None,
    ) -> R:
        """Enqueue all calls in one statement, in the connection's transaction; return the result, which will come.

        Args:
            args: more positional arguments, before its own, of each call that begins: of a chain's first link, or of
                each member of a group or of a chord's header.
            kwargs: more named arguments of them.
            countdown: seconds until they may start.
            connection: enqueue in this connection's transaction; by default at once.
        """
        return self._enqueue(delayed(self.clone(args, kwargs).plan(), countdown), connection)

    def _enqueue(self, plan: Plan, connection: Connection | None) -> R:
        raise NotImplementedError


class Chain(Workflow[AsyncResult]):
    """Calls that run one after the other; each gets the result of the one before. Its result is the last link's."""

    def __init__(self, links: Iterable[Canvas]) -> None:
        """Keep the links; the links of an inner chain are inserted."""
        self.links: list[Canvas] = []
        for link in map(_canvas, links):
            self.links.extend(link.links if isinstance(link, Chain) else [link])
        if not self.links:
            raise TaskUsageError("An empty chain has nothing to do: give it at least one signature.")

    def plan(self, with_result: bool = False) -> Plan:
        """Return the links' steps."""
        steps = list(self.links[0].plan(with_result))
        for link in self.links[1:]:
            steps.extend(link.plan(with_result=True))
        return steps

    def clone(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Chain:
        """Return a copy whose first link has more arguments."""
        return Chain([self.links[0].clone(args, kwargs), *self.links[1:]])

    def _enqueue(self, plan: Plan, connection: Connection | None) -> AsyncResult:
        return _apply_as_one(plan, connection)


class Group(Workflow[GroupResult]):
    """Calls that run at the same time. Its result has the members' results; the jobs are in the members' order."""

    def __init__(self, members: Iterable[Canvas | Iterable[Canvas]]) -> None:
        """Keep the members; a list or generator among them gives its own."""
        self.members = list(_members(members))
        if not self.members:
            raise TaskUsageError("An empty group has nothing to do: give it at least one signature.")

    def plan(self, with_result: bool = False) -> Plan:
        """Return one step with all members."""
        return [{"group": [member.plan(with_result) for member in self.members]}]

    def clone(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Group:
        """Return a copy whose members all have more arguments."""
        return Group(member.clone(args, kwargs) for member in self.members)

    def _enqueue(self, plan: Plan, connection: Connection | None) -> GroupResult:
        group_id, job_ids = apply(plan, connection)
        assert group_id is not None
        # Only a member that is one call has a job whose result is the member's.
        jobs = iter(job_ids)
        first = [None if "group" in member[0] else next(jobs) for member in plan[0]["group"]]
        single = [job if len(member) == 1 else None for job, member in zip(first, plan[0]["group"], strict=True)]
        return GroupResult(group_id, single, connection=connection)


class Chord(Workflow[AsyncResult]):
    """A group, and a body that runs once with its results. Its result is the body's."""

    def __init__(
        self,
        header: Iterable[Canvas] | Canvas,
        body: Canvas | None = None,
        *,
        quorum: int | None = None,
        spares: int | None = None,
        deadline: float | None = None,
        grace: float = 0.0,
    ) -> None:
        """Check that the numbers fit together; see `chord`."""
        members = header if isinstance(header, Iterable) else [header]
        self.header = header if isinstance(header, Group) else Group(members)
        size = len(self.header.members)
        for name, number in (("quorum", quorum), ("spares", spares)):
            if number is not None and (not isinstance(number, int) or isinstance(number, bool)):
                raise TaskUsageError(f"{name}={number!r} must be a whole number of the header's {size} members.")
        if quorum is None:
            quorum = size - (spares or 0)
        if spares is not None and quorum + spares != size:
            raise TaskUsageError(f"quorum={quorum} and spares={spares} do not make the header's {size} members.")
        if not 1 <= quorum <= size:
            raise TaskUsageError(f"quorum={quorum} must be between 1 and the header's {size} members.")
        self.body, self.quorum = None if body is None else _canvas(body), quorum
        self.deadline = None if deadline is None else seconds(deadline, "deadline")
        self.grace = seconds(grace, "grace")

    def plan(self, with_result: bool = False) -> Plan:
        """Return the group's step and the body's."""
        step: dict[str, Any] = self.header.plan(with_result)[0] | {"quorum": self.quorum}
        if self.deadline is not None:
            step["deadline_s"] = self.deadline
        if self.grace:
            step["grace_s"] = self.grace
        if self.body is None:
            raise TaskUsageError("This chord has no body: write chord(header, body), or chord(header)(body).")
        return [step, *self.body.plan(with_result=True)]

    def clone(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Chord:
        """Return a copy whose header's members all have more arguments."""
        copied = copy(self)
        copied.header = self.header.clone(args, kwargs)
        return copied

    def __call__(self, body: Canvas | None = None) -> AsyncResult:
        """Enqueue the chord, with this body if it has none yet: Celery writes `chord(header)(body)`."""
        if body is not None:
            self.body = _canvas(body)
        return self.apply_async()

    def _enqueue(self, plan: Plan, connection: Connection | None) -> AsyncResult:
        return _apply_as_one(plan, connection)


def _apply_as_one(plan: Plan, connection: Connection | None) -> AsyncResult:
    """Enqueue a plan as the only member of a group. Its last job has no number yet, but a place in the group."""
    group_id, _ = apply([{"group": [plan]}], connection)
    return AsyncResult(None, group_id=group_id, index=0, connection=connection)


def chain(*links: Canvas | Iterable[Canvas]) -> Chain:
    """Return a chain of signatures, given one by one, or in one list or generator.

    Each link gets the previous result as its first argument, except a link made by `.si()`.
    """
    [*given] = _members(links) if len(links) == 1 else map(_canvas, links)
    return Chain(given)


def group(*members: Canvas | Iterable[Canvas]) -> Group:
    """Return a group of signatures, given one by one, in lists or as generators.

    Raises:
        TaskUsageError: for a member that cannot be enqueued, as a task without `.s()`.
    """
    return Group(members)


def chord(
    header: Iterable[Canvas] | Canvas,
    body: Canvas | None = None,
    *,
    quorum: int | None = None,
    spares: int | None = None,
    deadline: float | None = None,
    grace: float = 0.0,
) -> Chord:
    """Return a chord: `body` runs exactly once, with the list of the header's results in the members' order.

    Args:
        header: the members.
        body: the call that gets the list as its first argument, except one made by `.si()`; `chord(header)(body)`
            gives it later, and enqueues.
        quorum: the number of results that is enough; by default all. The remaining members are revoked.
        spares: the number of members beyond the quorum; checked against the other two numbers.
        deadline: seconds after which the results that have arrived are enough; with none the chord fails.
        grace: seconds after the quorum during which further results still count.

    A member that failed for good, or was revoked, gives no result. When too few members are left for the quorum, the
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
        for call in _calls(plan):  # name the task
            to_json(call["args"], f"The arguments of {call['task']}")
        raise
    row = run(connection, "tasks_apply", plan=text).fetchone()
    assert row is not None
    return row["group_id"], list(row["job_ids"] or [])


def delayed(plan: Plan, countdown: float | None) -> Plan:
    """Return the plan with a delay of `countdown` seconds before the calls that would start at once.

    Raises:
        BadArguments: if `countdown` is no time.
    """
    if countdown is None:
        return plan
    first, *rest = plan
    if "group" in first:
        return [first | {"group": [delayed(member, countdown) for member in first["group"]]}, *rest]
    return [first | {"delay_s": seconds(countdown, "countdown")}, *rest]


def _calls(plan: Plan) -> list[dict[str, Any]]:
    return [
        call
        for step in plan
        for call in ([one for member in step["group"] for one in _calls(member)] if "group" in step else [step])
    ]


def plain(value: Any) -> Any:
    """Return an option's value for JSON: a time as ISO text, any other value unchanged."""
    return moment(value, "time") if isinstance(value, datetime) else value
