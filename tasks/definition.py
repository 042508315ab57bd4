"""`@task`: a function that can be called now, or enqueued and called by a worker; options as in Celery."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from procrastinate import JobContext

from ganns.db.connect import Connection
from ganns.errors import TaskUsageError
from tasks.arguments import parameters
from tasks.limits import parse_rate
from tasks.retries import CAP_S, RetryPolicy
from tasks.runner import Strategy, run
from tasks.signature import Signature

if TYPE_CHECKING:
    from tasks.application import App
    from tasks.results import AsyncResult

P = ParamSpec("P")
R = TypeVar("R")


class Task(Generic[P, R]):
    """A function and what a worker must know about it. Calling it calls the function, here and now."""

    def __init__(self, function: Callable[P, R], name: str, app: App, options: dict[str, Any]) -> None:
        """Keep them; `task` is what checks the options."""
        self.function, self.name, self.app = function, name, app
        self.queue: str = options["queue"]
        self.priority: int = options["priority"]
        self.policy: RetryPolicy = options["policy"]
        self.bind: bool = options["bind"]
        self.time_limit: float | None = options["time_limit"]
        self.soft_time_limit: float | None = options["soft_time_limit"]
        self.expires: float | None = options["expires"]
        self.rate: tuple[float, float] | None = options["rate"]
        self.ignore_result: bool = options["ignore_result"]
        self.requires: list[str] = options["requires"]
        self.memory_mb: int = options["memory_mb"]
        self.parameters = parameters(function, bound=self.bind)
        self.__doc__, self.__name__, self.__wrapped__ = function.__doc__, function.__name__, function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function here and now (a bound one with its context as the first argument)."""
        return self.function(*args, **kwargs)

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
        return self.s(*args, **(kwargs or {})).apply_async(
            countdown=countdown, eta=eta, expires=expires, queue=queue, priority=priority, connection=connection
        )

    def rule(self) -> dict[str, Any] | None:
        """Return what the database must know of this task before a worker takes it; None if nothing."""
        if not (self.rate or self.requires or self.memory_mb or self.time_limit):
            return None
        rate_per_s, burst = self.rate or (None, 1.0)
        return {
            "task_name": self.name,
            "requires": self.requires,
            "memory_mb": self.memory_mb,
            "time_limit_s": self.time_limit,
            "rate_per_s": rate_per_s,
            "burst": burst,
        }


def task(
    *,
    app: App | None = None,
    name: str | None = None,
    queue: str = "default",
    priority: int = 0,
    autoretry_for: Sequence[type[BaseException]] = (),
    retry_for: Sequence[type[BaseException]] = (),
    max_retries: int | None = 3,
    retry_backoff: float = 1.0,
    retry_backoff_max: float = CAP_S,
    retry_jitter: bool = True,
    bind: bool = False,
    time_limit: float | None = None,
    soft_time_limit: float | None = None,
    expires: float | None = None,
    rate_limit: str | None = None,
    ignore_result: bool = False,
    requires: Sequence[str] = (),
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a task.

    Args:
        app: the app whose workers run it; `tasks.app` without one.
        name: unique; the function's dotted path without one.
        queue: in which its jobs wait.
        priority: higher comes first.
        autoretry_for: errors after which it is tried again. `retry_for` is another name for it, as in Celery.
        retry_for: see `autoretry_for`.
        max_retries: None for no limit.
        retry_backoff: seconds before the first retry, twice as many before each further one.
        retry_backoff_max: the longest delay in seconds.
        retry_jitter: draw each delay between zero and what the backoff says.
        bind: pass a `Context` (job, attempt, `retry()`) as the first argument.
        time_limit: seconds after which the supervisor kills the worker's process, and the task has failed.
        soft_time_limit: seconds after which SoftTimeLimitExceeded is raised in the task.
        expires: seconds after which a job that still waits is revoked.
        rate_limit: "10/s", "100/m" or "5/h", over all workers together.
        ignore_result: store no result (an error is stored all the same).
        requires: what a worker must be able to do: "cuda", "mps", any word of its GANNS_ABILITIES, "memory:8192" (MB).

    Raises:
        TaskUsageError: for options that cannot work, or a name that is taken.
    """
    words = [word for word in requires if not word.startswith("memory:")]
    memory = [word.removeprefix("memory:") for word in requires if word.startswith("memory:")]
    if any(not re.fullmatch(r"\d+", number) for number in memory):
        raise TaskUsageError(f"requires={list(requires)}: write memory as 'memory:8192', in MB.")
    if time_limit is not None and soft_time_limit is not None and soft_time_limit >= time_limit:
        raise TaskUsageError(f"soft_time_limit={soft_time_limit} must be below time_limit={time_limit}.")
    options = {
        "queue": queue,
        "priority": priority,
        "policy": RetryPolicy(
            (*autoretry_for, *retry_for), max_retries, retry_backoff, retry_backoff_max, retry_jitter
        ),
        "bind": bind,
        "time_limit": time_limit,
        "soft_time_limit": soft_time_limit,
        "expires": expires,
        "rate": parse_rate(rate_limit) if rate_limit else None,
        "ignore_result": ignore_result,
        "requires": words,
        "memory_mb": max(map(int, memory), default=0),
    }

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        owner = app or _default_app()
        full_name = name or f"{function.__module__}.{function.__qualname__}"
        if inspect.iscoroutinefunction(function):
            raise TaskUsageError(f"{full_name} is a coroutine function: a task is an ordinary function, on a thread.")
        if full_name in owner.tasks:
            raise TaskUsageError(f"There is a task called {full_name!r} already: give this one another name.")
        made = Task(function, full_name, owner, options)

        def runner(context: JobContext, /, **arguments: Any) -> None:
            run(made, context, arguments)

        runner.task = made  # type: ignore[attr-defined]
        owner.task(name=full_name, queue=queue, priority=priority, pass_context=True, retry=Strategy(owner))(runner)
        return made

    return decorate


def _default_app() -> App:
    from tasks import app

    return app
