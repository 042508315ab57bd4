"""Results of tasks: read them, wait for them, delete them; or revoke their tasks. States and names are Celery's."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from ganns.db.connect import Connection
from ganns.errors import BadArguments, ChordFailed, ResultTimeout, TaskFailed, TaskRevoked, TaskUsageError
from ganns.queue.commands import revoke
from ganns.queue.connection import run
from ganns.queue.values import from_plain
from ganns.queue.waiting import wait_for

READY = frozenset({"SUCCESS", "FAILURE", "REVOKED"})
Row = dict[str, Any]


class AsyncResult:
    """The result of one call, now or later.

    The job's number identifies it. The last job of a chain or chord has no number before it is enqueued, so its result
    is identified by a place in a group.
    """

    def __init__(
        self,
        job_id: int | None,
        *,
        group_id: int | None = None,
        index: int | None = None,
        connection: Connection | None = None,
    ) -> None:
        """Keep the result's name; nothing is read yet.

        Raises:
            BadArguments: if `job_id` is no job's number, as an id of Celery's.
        """
        self.job_id = None if job_id is None and group_id is not None else _job_number(job_id)
        self.group_id, self.index = group_id, index
        self._connection = connection

    def __repr__(self) -> str:
        name = f"job {self.job_id}" if self.job_id is not None else f"member {self.index} of group {self.group_id}"
        return f"<AsyncResult: {name}>"

    @property
    def id(self) -> int | None:
        """The job's number; None for the result of a chain or chord."""
        return self.job_id

    @property
    def status(self) -> str:
        """Another name for `state`."""
        return self.state

    @property
    def state(self) -> str:
        """PENDING (or unknown), STARTED, RETRY, SUCCESS, FAILURE or REVOKED."""
        if self.job_id is None:
            row = self._row()
            return str(row["state"]) if row else "PENDING"
        return str(self._state_row()["state"])

    def ready(self) -> bool:
        """Return True if the task has ended, with or without success."""
        return self.state in READY

    def successful(self) -> bool:
        """Return True if the task succeeded."""
        return self.state == "SUCCESS"

    def failed(self) -> bool:
        """Return True if the task failed and is not tried again."""
        return self.state == "FAILURE"

    @property
    def result(self) -> Any:
        """The value, or the error as an exception; None before the task has ended."""
        row = self._row()
        if row is None:
            return None
        return value_of(row) if row["state"] == "SUCCESS" else error_of(row, repr(self))

    @property
    def traceback(self) -> str | None:
        """The worker's traceback of the failure, or of the last attempt before a retry, as text."""
        row = self._row()
        if row is not None:
            return None if row["traceback"] is None else str(row["traceback"])
        again = run(self._connection, "tasks_last_traceback", job_id=self.job_id).fetchone()
        return str(again["traceback"]) if again else None

    def get(self, timeout: float | None = None, *, propagate: bool = True) -> Any:
        """Wait for the result and return it.

        Args:
            timeout: in seconds; None waits for ever.
            propagate: raise the task's error; False returns it instead.

        Raises:
            TaskFailed: the task failed; its traceback is in the error, as text.
            TaskRevoked: the task was revoked or expired.
            ResultTimeout: it did not come in time.
            TaskUsageError: inside a transaction, or inside a task: with one worker the wait would never end.
        """
        try:
            row = wait_for(self._connection, self._channel(), self._final_row, timeout, f"The result of {self}")
        except ResultTimeout as late:
            if self.state != "PENDING":
                raise
            raise ResultTimeout(
                f"The result of {self} is not there after {timeout} s. No worker has begun it (`ganns tasks workers` "
                "lists those that run), or there is no such task any more."
            ) from late
        if row["state"] == "SUCCESS":
            return value_of(row)
        error = error_of(row, repr(self))
        if propagate:
            raise error
        return error

    wait = get

    def revoke(self, terminate: bool = False) -> int:
        """Cancel the task: a queued one will not run; a running one is asked to stop, or with `terminate` killed.

        Returns:
            The number of jobs that were canceled: more than one for the result of a chain or chord.
        """
        if self.job_id is not None:
            return revoke([self.job_id], terminate=terminate, connection=self._connection)
        return revoke(self._group_jobs(), terminate=terminate, connection=self._connection)

    def forget(self) -> None:
        """Delete the result, and its finished job."""
        run(self._connection, "tasks_forget", job_ids=[self.job_id] if self.job_id is not None else self._group_jobs())
        if self.job_id is None:
            run(self._connection, "tasks_delete_groups", group_ids=[self.group_id])

    def _group_jobs(self) -> list[int]:
        rows = run(self._connection, "tasks_group_jobs", group_ids=[self.group_id])
        return [row["job_id"] for row in rows]

    def _state_row(self) -> Row:
        row = run(self._connection, "tasks_states", job_ids=[self.job_id]).fetchone()
        assert row is not None
        return row

    def _row(self) -> Row | None:
        if self.job_id is not None:
            return run(self._connection, "tasks_result", job_id=self.job_id).fetchone()
        return run(self._connection, "tasks_member_result", group_id=self.group_id, index=self.index).fetchone()

    def _final_row(self) -> Row | None:
        row = self._row()
        if row is None and self.job_id is not None and (state := self._state_row()["state"]) in READY:
            # It ended without a result: ignore_result, or its group was closed before.
            row = self._row() or {"state": state, "value": None, "data": None, "error": None, "traceback": None}
        return row

    def _channel(self) -> str:
        group_id = self.group_id if self.job_id is None else self.group_id or self._state_row()["group_id"]
        return f"ganns_group_{group_id}" if group_id is not None else f"ganns_task_{self.job_id}"


class GroupResult:
    """The results of a group's members, in the members' order."""

    def __init__(self, id: int, job_ids: Sequence[int | None], *, connection: Connection | None = None) -> None:
        """Keep the group's number; nothing is read yet. In `job_ids`, a chain, group or chord is None."""
        self.id, self._connection = id, connection
        self.results = [
            AsyncResult(job_id, group_id=id, index=index, connection=connection) for index, job_id in enumerate(job_ids)
        ]

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, index: int) -> AsyncResult:
        return self.results[index]

    def __iter__(self) -> Iterator[AsyncResult]:
        return iter(self.results)

    @property
    def job_ids(self) -> list[int]:
        """The members' jobs in order, without the members that have several jobs."""
        return [one.job_id for one in self.results if one.job_id is not None]

    def completed_count(self) -> int:
        """Return the number of members that succeeded."""
        return sum(row["state"] == "SUCCESS" for row in self._new_rows({}))

    def ready(self) -> bool:
        """Return True if all members have ended."""
        return len(self._new_rows({})) == len(self)

    def successful(self) -> bool:
        """Return True if all members succeeded."""
        return self.completed_count() == len(self)

    def failed(self) -> bool:
        """Return True if a member failed."""
        return any(row["state"] == "FAILURE" for row in self._new_rows({}))

    def iterate(self, timeout: float | None = None, *, propagate: bool = True) -> Iterator[tuple[int, Any]]:
        """Yield (index, value) as the results arrive.

        Args:
            timeout: for all of them, in seconds.
            propagate: raise the first error; False yields errors in the places of values.

        Raises:
            TaskFailed: a member failed.
            TaskRevoked: a member was revoked.
            ResultTimeout: they did not come in time.
        """
        for row in self._arriving(timeout):
            if row["state"] == "SUCCESS":
                yield row["index"], value_of(row)
            else:
                error = error_of(row, f"member {row['index']} of group {self.id}")
                if propagate:
                    raise error
                yield row["index"], error

    def join(self, timeout: float | None = None, *, propagate: bool = True, quorum: int | None = None) -> list[Any]:
        """Wait for the members and return their values in order.

        Args:
            timeout: for all of them, in seconds.
            propagate: raise the first error; False returns errors in the places of values.
            quorum: return the values of this number of members as soon as they have succeeded, and revoke the rest.

        Raises:
            TaskFailed: a member failed; with a quorum, ChordFailed when it is out of reach.
            TaskRevoked: a member was revoked.
            ResultTimeout: they did not come in time.
        """
        if quorum is None:
            return [value for _, value in sorted(self.iterate(timeout, propagate=propagate), key=lambda one: one[0])]
        if not isinstance(quorum, int) or not 1 <= quorum <= len(self):
            raise TaskUsageError(f"quorum={quorum} must be between 1 and the group's {len(self)} members.")
        values: dict[int, Any] = {}
        num_failed = 0
        for row in self._arriving(timeout):
            if row["state"] == "SUCCESS":
                values[row["index"]] = value_of(row)
            else:
                num_failed += 1
            if len(values) == quorum:
                self.revoke()
                break
            if len(self) - num_failed < quorum:
                self.revoke()
                raise ChordFailed(
                    f"{num_failed} of {len(self)} members of group {self.id} failed, so that {quorum} results are out "
                    f"of reach; the last one: {row['error']}",
                    row["traceback"],
                )
        return [values[index] for index in sorted(values)]

    get = join

    def revoke(self, terminate: bool = False) -> int:
        """Cancel the members that have not ended; return the number of their jobs."""
        rows = run(self._connection, "tasks_group_jobs", group_ids=[self.id])
        return revoke([row["job_id"] for row in rows], terminate=terminate, connection=self._connection)

    def forget(self) -> None:
        """Delete the results, and their finished jobs."""
        forget_groups([self.id], connection=self._connection)

    def _new_rows(self, known: dict[int, Row]) -> list[Row]:
        return run(self._connection, "tasks_group_results", group_id=self.id, known=list(known)).fetchall()

    def _arriving(self, timeout: float | None) -> Iterator[Row]:
        known: dict[int, Row] = {}
        until = None if timeout is None else time.monotonic() + timeout
        channel = f"ganns_group_{self.id}"
        while len(known) < len(self):
            left_s = None if until is None else max(0.0, until - time.monotonic())
            what = f"Result {len(known) + 1} of {len(self)} of group {self.id}"
            rows = wait_for(self._connection, channel, lambda: self._new_rows(known) or None, left_s, what)
            for row in rows:
                known[row["index"]] = row
                yield row


def _job_number(value: Any) -> int:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value, is_number = int(value), True
    if not is_number or not 0 < value < 2**63:
        raise BadArguments(f"There is no task with the id {str(value)[:50]!r}: an id is a job's number, such as 17.")
    return int(value)


def forget_groups(group_ids: Sequence[int], *, connection: Connection | None = None) -> None:
    """Delete the results of groups, and their finished jobs."""
    jobs = [row["job_id"] for row in run(connection, "tasks_group_jobs", group_ids=list(group_ids))]
    run(connection, "tasks_forget", job_ids=jobs)
    run(connection, "tasks_delete_groups", group_ids=list(group_ids))


def value_of(row: Row) -> Any:
    """Return the value of a successful result: bytes, or a value from JSON."""
    return from_plain(row["value"]) if row["data"] is None else bytes(row["data"])


def error_of(row: Row, what: str) -> TaskFailed | TaskRevoked:
    """Return an unsuccessful result as an exception."""
    error = row["error"] or f"{what} was {row['state'].lower()}"
    if row["state"] == "REVOKED":
        return TaskRevoked(f"{what}: {error.removeprefix('TaskRevoked: ')}.")
    kind = ChordFailed if error.startswith("ChordFailed: ") else TaskFailed
    return kind(f"{what} failed: {error.removeprefix('ChordFailed: ')}", row["traceback"])
