"""Signatures: a call that is not made yet. It can be kept, sent, given more arguments, chained, and enqueued."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ganns.db.connect import Connection
from ganns.errors import TaskUsageError
from ganns.queue.app import App, default_app
from ganns.queue.arguments import check_call, pack
from ganns.queue.canvas import Canvas, Plan, apply, plain
from ganns.queue.options import TASK_BYTES, TaskOptions, check_name, check_place, moment, seconds
from ganns.queue.results import AsyncResult

OPTIONS = {"countdown", "eta", "expires", "queue", "priority"}


@dataclass(frozen=True)
class Signature(Canvas):
    """A task's name with arguments and options."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    immutable: bool = False
    app: App | None = field(default=None, compare=False, repr=False)

    def clone(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Signature:
        """Return a copy with more arguments: positional ones come first, named ones override."""
        check_call(self.name, args, kwargs)
        if self.immutable:
            args, kwargs = (), None
        return dataclasses.replace(self, args=(*args, *self.args), kwargs={**self.kwargs, **(kwargs or {})})

    def set(self, *, immutable: bool | None = None, **options: Any) -> Signature:
        """Return a copy with these options: countdown, eta, expires, queue, priority.

        Raises:
            TaskUsageError: for another option.
        """
        immutable = self.immutable if immutable is None else immutable
        return dataclasses.replace(self._with(options), immutable=immutable)

    def _with(self, options: Mapping[str, Any]) -> Signature:
        if unknown := options.keys() - OPTIONS:
            raise TaskUsageError(f"There is no option {sorted(unknown)[0]!r}; there are {', '.join(sorted(OPTIONS))}.")
        return dataclasses.replace(self, options={**self.options, **options})

    def to_dict(self) -> dict[str, Any]:
        """Return the signature as JSON objects."""
        return {
            "task": self.name,
            "args": list(self.args),
            "kwargs": dict(self.kwargs),
            "options": {key: plain(value) for key, value in self.options.items()},
            "immutable": self.immutable,
        }

    @classmethod
    def from_dict(cls, form: Mapping[str, Any], app: App | None = None) -> Signature:
        """Return the signature that `to_dict` described."""
        options = {
            key: datetime.fromisoformat(value) if key in ("eta", "expires") and isinstance(value, str) else value
            for key, value in form.get("options", {}).items()
        }
        return cls(
            form["task"],
            tuple(form.get("args", ())),
            dict(form.get("kwargs", {})),
            immutable=bool(form.get("immutable", False)),
            app=app,
        )._with(options)

    def plan(self, with_result: bool = False) -> Plan:
        """Check the arguments and return the one step.

        Raises:
            BadArguments: if the arguments do not fit.
        """
        task = self.task
        with_result = with_result and not self.immutable
        arguments, into = pack(
            self.name, task.parameters if task else None, self.args, self.kwargs, with_result=with_result
        )
        options, expires = self.options, self.options.get("expires", task.expires if task else None)
        queue = options.get("queue")
        call: dict[str, Any] = {
            "task": self.name,
            "queue": queue if queue is not None else task.queue if task else "default",
            "args": arguments,
        }
        priority = options.get("priority")
        if priority is None and task:
            priority = task.priority
        if priority:
            call["priority"] = priority
        if into:
            call["into"] = into
        check_name(self.name, "task", TASK_BYTES)
        check_place(call["queue"], priority)
        if options.get("countdown") is not None:
            call["delay_s"] = seconds(options["countdown"], "countdown")
        if options.get("eta") is not None:
            call["eta"] = moment(options["eta"], "eta")
        if expires is not None:
            if isinstance(expires, datetime):
                call["expires"] = plain(expires)
            else:
                call["expires_s"] = seconds(expires, "expires")
        return [call]

    @property
    def task(self) -> TaskOptions | None:
        """The task's options, if its code is loaded here."""
        app = self.app or default_app()
        found = app.tasks.get(self.name) if app else None
        return getattr(found.func, "task", None) if found else None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the task in this process, with more arguments.

        Raises:
            TaskUsageError: if its code is not loaded here.
        """
        task, full = self.task, self.clone(args, kwargs)
        if task is None:
            raise TaskUsageError(f"The code of task {self.name!r} is not loaded here: enqueue it with `.delay()`.")
        return task.function(*full.args, **full.kwargs)

    def delay(self, *args: Any, **kwargs: Any) -> AsyncResult:
        """Enqueue the call, with more arguments."""
        return self.clone(args, kwargs).apply_async()

    def apply_async(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        countdown: float | None = None,
        eta: datetime | None = None,
        expires: float | datetime | None = None,
        queue: str | None = None,
        priority: int | None = None,
        connection: Connection | None = None,
    ) -> AsyncResult:
        """Enqueue the call.

        Args:
            args: more positional arguments, before those of the signature.
            kwargs: more named arguments.
            countdown: seconds until it may start, by the server's clock.
            eta: the time when it may start, with a time zone.
            expires: seconds, or a time, after which it is revoked if it has not started.
            queue: instead of the task's.
            priority: instead of the task's.
            connection: enqueue in this connection's transaction; by default at once.

        Raises:
            BadArguments: if the arguments do not fit the task, or are not JSON.
        """
        given = {"countdown": countdown, "eta": eta, "expires": expires, "queue": queue, "priority": priority}
        signature = self.clone(args, kwargs)._with({key: value for key, value in given.items() if value is not None})
        _, job_ids = apply(signature.plan(), connection)
        return AsyncResult(job_ids[0], connection=connection)


def signature(
    name: str,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    app: App | None = None,
    immutable: bool = False,
    **options: Any,
) -> Signature:
    """Return the signature of a task by its name. Its code need not be loaded if all arguments are named."""
    return Signature(name, tuple(args), dict(kwargs or {}), app=app, immutable=immutable).set(**options)
