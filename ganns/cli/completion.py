"""Completion with the tab key: the settings of `ganns train` and the like, and their values.

`ganns --install-completion` adds it to a shell. (Hydra has a completion of its own, for programs that are Hydra's.)
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator


def overrides(incomplete: str) -> list[str]:
    """Return the words that the last, incomplete one may become: `loss` -> `loss=`, `loss=h` -> `loss=hinge`."""
    key, mark, value = incomplete.partition("=")
    if mark and key:
        return [f"{key}={one}" for one in values(key) if one.startswith(value)]
    # bash makes three words of `loss=h`, and replaces only the last one
    words = ["", "", *_bash_words()]
    if words[-1] == "=":
        return list(values(words[-2]))
    if words[-2] == "=":
        return [one for one in values(words[-3]) if one.startswith(incomplete)]
    return [f"{one}=" for one in keys() if one.startswith(incomplete)]


def keys() -> list[str]:
    """Return every setting's key, and the groups of `conf/`."""
    from ganns.config import settings
    from ganns.paths import conf_dir

    groups = [path.name for path in conf_dir().iterdir() if path.is_dir() and path.name != "hydra"]
    return sorted({*settings(), *groups})


def values(key: str) -> Iterator[str]:
    """Yield the values that a key may have, if they can be listed: a group's options, a choice, true and false."""
    from ganns.config import settings
    from ganns.paths import conf_dir

    if key in settings():
        for field in settings()[key].values():
            yield from map(str, field.metadata.get("choices", ()))
            if field.type == "bool":
                yield from ("true", "false")
    elif key.isidentifier():
        yield from sorted(path.stem for path in (conf_dir() / key).glob("*.yaml"))


def _bash_words() -> list[str]:
    """Return the words up to the incomplete one, as bash splits them; [] in other shells."""
    try:
        return shlex.split(os.environ.get("COMP_WORDS", ""))[: int(os.environ.get("COMP_CWORD", "0")) + 1]
    except ValueError:  # an open quote
        return []
