"""`@task`: make a function a task, which can be called here or enqueued for a worker; the options are Celery's."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, overload

from procrastinate import JobContext

from ganns.errors import TaskUsageError
from ganns.queue.app import App, default_app
from ganns.queue.arguments import parameters
from ganns.queue.options import CAP_S, TASK_BYTES, RetryPolicy, check_name, check_place, parse_rate, seconds
from ganns.queue.runner import RetryAdapter, run
from ganns.queue.task import P, R, Task


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...


@overload
def task(*, app: App | None = None, **options: Any) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def task(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a task: `@task`, or `@task(option=...)` with the options of `make`."""
    if isinstance(function, App):
        raise TaskUsageError("@task(app): name the option, @task(app=app).")
    if unknown := options.keys() - OPTIONS:
        raise TaskUsageError(f"@task has no option {sorted(unknown)[0]!r}; it has {', '.join(OPTIONS)}.")
    return make(**options) if function is None else make()(function)


def make(
    *,
    app: App | None = None,
    name: str | None = None,
    queue: str = "default",
    priority: int = 0,
    autoretry_for: Sequence[type[BaseException]] = (),
    retry_for: Sequence[type[BaseException]] = (),
    max_retries: int | None = 3,
    retry_backoff: float | bool = 1.0,
    retry_backoff_max: float = CAP_S,
    retry_jitter: bool = True,
    bind: bool = False,
    time_limit: float | None = None,
    soft_time_limit: float | None = None,
    expires: float | None = None,
    rate_limit: str | None = None,
    ignore_result: bool = False,
    requires: Sequence[str] = (),
    prepare: Callable[[Any, Callable[[str], None]], None] | None = None,
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Return a decorator that makes a function a task.

    Args:
        app: the app whose workers run it; `tasks.app` by default.
        name: a unique name; the function's dotted path by default.
        queue: the queue of its jobs.
        priority: higher comes first.
        autoretry_for: errors after which it is tried again.
        retry_for: another name for `autoretry_for`, as in Celery.
        max_retries: None for no limit.
        retry_backoff: seconds before the first retry; each further delay is twice the one before. True is one.
        retry_backoff_max: the longest delay in seconds.
        retry_jitter: draw each delay between zero and the backoff's value.
        bind: pass a `Context` (job, attempt, `retry()`) as the first argument.
        time_limit: seconds after which the supervisor kills the worker's process, and the task fails.
        soft_time_limit: seconds after which SoftTimeLimitExceeded is raised in the task.
        expires: seconds after which a job that still waits is revoked.
        rate_limit: "10/s", "100/m" or "5/h", over all workers together.
        ignore_result: store no result; an error is stored in any case.
        requires: abilities of a worker: "cuda", "mps", any word of its GANNS_ABILITIES, "memory:8192" (MB).
        prepare: a function of the task's first argument and of `say(text)`. A worker calls it, on a thread, before it
            takes jobs with this argument; after an error it tries again.

    Raises:
        TaskUsageError: for options that cannot work, or a name that another task has, or that is too long.
    """
    for option, given in {"autoretry_for": autoretry_for, "retry_for": retry_for, "requires": requires}.items():
        if not isinstance(given, list | tuple | set | frozenset):
            raise TaskUsageError(f"{option}={_name(given)} must be a list: write {option}=[{_name(given)}].")
    if retry_backoff is True:
        retry_backoff = 1.0
    words = [word for word in requires if not word.startswith("memory:")]
    memory = [word.removeprefix("memory:") for word in requires if word.startswith("memory:")]
    if any(not re.fullmatch(r"\d+", number) for number in memory):
        raise TaskUsageError(f"requires={list(requires)}: write memory as 'memory:8192', in MB.")
    times = {"retry_backoff": retry_backoff, "retry_backoff_max": retry_backoff_max, "time_limit": time_limit}
    for option, value in (times | {"soft_time_limit": soft_time_limit, "expires": expires}).items():
        if value is not None:
            seconds(value, option)
    check_place(queue, priority)
    if not all(isinstance(one, type) and issubclass(one, BaseException) for one in (*autoretry_for, *retry_for)):
        raise TaskUsageError(f"autoretry_for={[*autoretry_for, *retry_for]}: name classes of errors, as in [OSError].")
    if max_retries is not None and (not isinstance(max_retries, int) or max_retries < 0):
        raise TaskUsageError(f"max_retries={max_retries} must be 0 or more, or None for no limit.")
    if time_limit is not None and soft_time_limit is not None and soft_time_limit >= time_limit:
        raise TaskUsageError(f"soft_time_limit={soft_time_limit} must be below time_limit={time_limit}.")
    policy = RetryPolicy((*autoretry_for, *retry_for), max_retries, retry_backoff, retry_backoff_max, retry_jitter)
    rate = parse_rate(rate_limit) if rate_limit else None
    memory_mb = max(map(int, memory), default=0)

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        owner = app or default_app()
        if owner is None:
            raise TaskUsageError("A task needs an app: `import tasks` first, or give app=...")
        full_name = name or f"{function.__module__}.{function.__qualname__}"
        check_name(full_name, "name", TASK_BYTES)
        if inspect.iscoroutinefunction(function):
            raise TaskUsageError(f"{full_name} is a coroutine function: a task is an ordinary function, on a thread.")
        if bind and not inspect.signature(function).parameters:
            raise TaskUsageError(f"{full_name} has bind=True and no argument: its first one is the context, self.")
        if full_name in owner.tasks:
            raise TaskUsageError(f"There is a task called {full_name!r} already: give this one another name.")
        made: Task[P, R] = Task(
            owner,
            function=function,
            name=full_name,
            parameters=parameters(function, bound=bind),
            queue=queue,
            priority=priority,
            policy=policy,
            bind=bind,
            time_limit=time_limit,
            soft_time_limit=soft_time_limit,
            expires=expires,
            rate=rate,
            ignore_result=ignore_result,
            requires=words,
            memory_mb=memory_mb,
            prepare=prepare,
        )
        if prepare is not None and not made.parameters.parameters:
            raise TaskUsageError(f"{full_name} has no argument that `prepare` could prepare for.")

        def runner(context: JobContext, /, **arguments: Any) -> None:
            run(made, owner.job_manager, context, arguments)

        runner.task = made  # type: ignore[attr-defined]
        owner.register(runner, name=full_name, queue=queue, priority=priority, retry=RetryAdapter(owner))
        return made

    return decorate


OPTIONS = tuple(inspect.signature(make).parameters)


def _name(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else repr(value)
