"""Update the tables of docs/reference/configuration.md from the schema: `python -m docs.generate`.

Type, range and default of each setting come from ganns/config.py. The meaning of a setting is written by hand, and
stays. For a new setting add the line `| key | | | | its meaning |` in its place, and run this.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

from ganns import config
from ganns.config import NAMES, Config

PAGE = Path(__file__).parent / "reference" / "configuration.md"


def fields() -> dict[str, tuple[str, Any]]:
    """Return every setting's type, as written in the schema, and its default."""
    found: dict[str, tuple[str, Any]] = {}
    for outer in dataclasses.fields(Config):
        value = getattr(Config(), outer.name)
        if not dataclasses.is_dataclass(value):
            found[outer.name] = (str(outer.type), value)
            continue
        for inner in dataclasses.fields(value):
            found[f"{outer.name}.{inner.name}"] = (str(inner.type), getattr(value, inner.name))
    return found


def shown_range(key: str) -> str | None:
    """Return a setting's range as on the page; None for the one that depends on another setting."""
    if key == "strategy.micro_batch":
        return None
    group, _, last = key.partition(".")
    if last == "name" and group in NAMES:
        names = [f"`{name}`" for name in NAMES[group]]
        return " or ".join([*names, "a plug-in"] if group in config.PLUGGED else names)
    if key == "evaluate.features":
        return " or ".join(f"`{name}`" for name in config.FEATURES)
    if key == "loss.augment":
        return ", ".join(f"`{name}`" for name in config.AUGMENTATIONS) + ", joined by commas"
    if key == "model.image_size":
        return "32 or 64"
    for found, _, low, high in config._ranges(Config()):
        if found == key:
            bounds = [f"{bound:,}" if isinstance(bound, int) else f"{bound:g}" for bound in (low, high)]
            return f"more than 0, to {bounds[1]}" if low == 1e-12 else " to ".join(bounds)
    return "any"


def shown_default(value: Any) -> str:
    """Return a default in YAML's form."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return f"`{value}`" if value else '`""`'
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def generate(text: str) -> str:
    """Return the page with type, range and default of each setting's row from the schema."""
    known = fields()

    def row(found: re.Match[str]) -> str:
        key, by_hand, meaning = found.groups()
        if key not in known:
            return found[0]
        kind, default = known[key]
        cells = [kind.replace(" | None", " or null"), shown_range(key) or by_hand.strip(), shown_default(default)]
        return f"| `{key}` | {' | '.join(cells)} | {meaning} |"

    # | `key` | type | range | default | meaning |
    return re.sub(r"^\| `([a-z0-9_.]+)` \|[^|\n]*\|([^|\n]*)\|[^|\n]*\| (.*) \|$", row, text, flags=re.MULTILINE)


if __name__ == "__main__":
    PAGE.write_text(generate(PAGE.read_text("utf-8")), "utf-8")
