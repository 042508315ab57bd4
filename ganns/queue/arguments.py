"""A job's arguments: matched to the task's parameters at the call, and written as JSON by parameter name.

With names a job's row is readable (`{"unit": 3}`), and the `procrastinate` command can defer our tasks too. The result
that a chain or chord passes on is not known yet: a null keeps its place, and the job stores the path of that place.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ganns.errors import BadArguments
from ganns.queue.values import to_plain

Path = list[str]
_KINDS = inspect.Parameter


def parameters(function: Callable[..., Any], *, bound: bool) -> inspect.Signature:
    """Return the parameters that a caller may pass: a bound task's first one, the context, is left out."""
    signature = inspect.signature(function)
    wanted = list(signature.parameters.values())
    return signature.replace(parameters=wanted[1:] if bound else wanted)


def check_call(name: str, args: Any, kwargs: Any) -> None:
    """Check that `args` is a list or tuple, and `kwargs` a dict: a text would be taken apart into its letters.

    Raises:
        BadArguments: if they are something else.
    """
    if not isinstance(args, list | tuple):
        raise BadArguments(f"args={repr(args)[:50]} of {name} must be a list or tuple: write (1, 2), or (1,) for one.")
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise BadArguments(f"kwargs={repr(kwargs)[:50]} of {name} must be a dict, as in {{'x': 1}}.")


def pack(
    name: str,
    signature: inspect.Signature | None,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    with_result: bool = False,
) -> tuple[dict[str, Any], Path | None]:
    """Return a job's arguments, and the path in them for the previous task's result.

    Args:
        name: the task's name, for messages.
        signature: the task's signature; None if its code is not loaded, then only named arguments are possible.
        args: positional arguments.
        kwargs: named arguments.
        with_result: put a previous result first, as Celery does with `.s()` in a chain.

    Raises:
        BadArguments: if the arguments do not fit the signature.
    """
    if signature is None:
        if args or with_result:
            raise BadArguments(
                f"The code of task {name!r} is not loaded here, or its app is not named (`app=...`). So its arguments "
                f"must be given by name (`signature({name!r}, kwargs={{...}})`), and cannot come from a previous task "
                "(use `.si()`)."
            )
        return dict(kwargs), None
    try:
        bound = signature.bind(*([None] if with_result else []), *args, **kwargs)
    except TypeError as error:
        given = "the previous task's result and " if with_result else ""
        raise BadArguments(
            f"{name}{signature} cannot be called with {given}{_shown(args, kwargs)}: {error}."
        ) from error
    # `*values` as a list, so that its members have places.
    lists = {key for key, one in signature.parameters.items() if one.kind is _KINDS.VAR_POSITIONAL}
    arguments = {key: list(value) if key in lists else value for key, value in bound.arguments.items()}
    if not with_result:
        return arguments, None
    first = next(iter(signature.parameters.values()))
    return arguments, [first.name, "0"] if first.kind is _KINDS.VAR_POSITIONAL else [first.name]


def unpack(signature: inspect.Signature, arguments: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return (args, kwargs) for the call of the function; the inverse of `pack`."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    known = set()
    for name, parameter in signature.parameters.items():
        if name not in arguments:
            continue
        known.add(name)
        value = arguments[name]
        if parameter.kind is _KINDS.VAR_POSITIONAL:
            args.extend(value)
        elif parameter.kind is _KINDS.VAR_KEYWORD:
            kwargs.update(value)
        elif parameter.kind is _KINDS.POSITIONAL_ONLY or (
            parameter.kind is _KINDS.POSITIONAL_OR_KEYWORD and not kwargs and _no_gap(signature, arguments, name)
        ):
            args.append(value)
        else:
            kwargs[name] = value
    # An argument of another version of the task: the call itself raises the error.
    return args, kwargs | {name: value for name, value in arguments.items() if name not in known}


def _no_gap(signature: inspect.Signature, arguments: Mapping[str, Any], name: str) -> bool:
    for before in signature.parameters:
        if before == name:
            return True
        if before not in arguments:
            return False
    return False


def to_json(value: Any, what: str) -> str:
    """Return `value` as JSON, with the marks of `ganns.queue.values`.

    Raises:
        BadArguments: if it has other parts than dicts (with texts and numbers as keys), lists, tuples, text, finite
            numbers, booleans and None.
    """
    try:
        text = _encode(to_plain(value))
        text.encode()  # Python accepts half a surrogate pair in a text; PostgreSQL does not
    except (TypeError, ValueError, RecursionError) as error:
        why = "it contains itself, or too many lists in lists" if isinstance(error, RecursionError) else error
        raise BadArguments(f"{what} must be JSON: {why}.") from error
    if _NUL.search(text):
        raise BadArguments(f"{what} contains a NUL character, which PostgreSQL cannot store in JSON.")
    return text


_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False).encode
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # not an escaped backslash before "u0000"


def _shown(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    shown = ", ".join([repr(value) for value in args] + [f"{key}={value!r}" for key, value in kwargs.items()])
    return f"({shown[:200]})"
