"""Tasks: functions that can be called here, or enqueued for a worker."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Generic, ParamSpec, TypeVar, cast

from ganns.db.connect import Connection
from ganns.queue.app import App
from ganns.queue.arguments import check_call
from ganns.queue.options import TaskOptions
from ganns.queue.results import AsyncResult
from ganns.queue.signature import Signature

P = ParamSpec("P")
R = TypeVar("R")


class Task(TaskOptions, Generic[P, R]):
    """A function with its options. A call of the task calls the function in this process."""

    def __init__(self, app: App, **options: Any) -> None:
        """Keep the app and the options; `ganns.queue.decorator.task` checks them."""
        super().__init__(**options)
        self.app = app
        function = self.function
        self.__doc__, self.__name__, self.__wrapped__ = function.__doc__, function.__name__, function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function in this process (a bound one with a context as its first argument)."""
        return cast(R, self.function(*args, **kwargs))

    def __repr__(self) -> str:
        return f"<task {self.name}{self.parameters}>"

    def s(self, *args: Any, **kwargs: Any) -> Signature:
        """Return a signature; in a chain or chord the previous result becomes its first argument."""
        return Signature(self.name, args, kwargs, app=self.app)

    def si(self, *args: Any, **kwargs: Any) -> Signature:
        """Return an immutable signature: one that takes no previous result."""
        return Signature(self.name, args, kwargs, app=self.app, immutable=True)

    def delay(self, *args: Any, **kwargs: Any) -> AsyncResult:
        """Enqueue a call."""
        return self.s(*args, **kwargs).apply_async()

    def apply_async(
        self,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
        *,
        countdown: float | None = None,
        eta: datetime | None = None,
        expires: float | datetime | None = None,
        queue: str | None = None,
        priority: int | None = None,
        connection: Connection | None = None,
    ) -> AsyncResult:
        """Enqueue a call with options; see `Signature.apply_async`."""
        check_call(self.name, args, kwargs)
        return self.s(*args, **(kwargs or {})).apply_async(
            countdown=countdown, eta=eta, expires=expires, queue=queue, priority=priority, connection=connection
        )
