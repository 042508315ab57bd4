"""Update the tables of docs/reference/configuration.md from the schema: `python -m docs.generate`.

Type, range and default of each setting come from ganns/config/. The meaning of a setting is written by hand, and
stays. For a new setting add the line `| key | | | | its meaning |` in its place, and run this.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ganns.config import AUGMENTATIONS, NAMES, PLUGGED, TINY, settings

PAGE = Path(__file__).parent / "reference" / "configuration.md"


def shown_range(key: str) -> str | None:
    """Return a setting's range as on the page; None for the one that depends on another setting."""
    if key == "strategy.micro_batch":
        return None
    group, _, last = key.partition(".")
    if last == "name" and group in NAMES:
        names = [f"`{name}`" for name in NAMES[group]]
        return " or ".join([*names, "a plug-in"] if group in PLUGGED else names)
    if key == "loss.augment":
        return ", ".join(f"`{name}`" for name in AUGMENTATIONS) + ", joined by commas"
    allowed = next(iter(settings()[key].values())).metadata
    if "choices" in allowed:
        return " or ".join(shown_default(one) for one in allowed["choices"])
    if "range" in allowed:
        bounds = [f"{bound:,}" if isinstance(bound, int) else f"{bound:g}" for bound in allowed["range"]]
        return f"more than 0, to {bounds[1]}" if allowed["range"][0] == TINY else " to ".join(bounds)
    return "any"


def shown_defaults(key: str) -> str:
    """Return a setting's default, and those of options that have another one: "2000; `image_folder`: 1000"."""
    defaults = {option: shown_default(found.default) for option, found in settings()[key].items()}
    first = next(iter(defaults.values()))
    if key.endswith(".name"):
        return first
    return "; ".join([first, *(f"`{option}`: {value}" for option, value in defaults.items() if value != first)])


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
    """Return the page with type, range and default of each setting's row as the schema has them."""

    def row(found: re.Match[str]) -> str:
        key, by_hand, meaning = found.groups()
        if key not in settings():
            return found[0]
        kind = str(next(iter(settings()[key].values())).type)
        cells = [kind.replace(" | None", " or null"), shown_range(key) or by_hand.strip(), shown_defaults(key)]
        return f"| `{key}` | {' | '.join(cells)} | {meaning} |"

    # | `key` | type | range | default | meaning |
    return re.sub(r"^\| `([a-z0-9_.]+)` \|[^|\n]*\|([^|\n]*)\|[^|\n]*\| (.*) \|$", row, text, flags=re.MULTILINE)


if __name__ == "__main__":
    PAGE.write_text(generate(PAGE.read_text("utf-8")), "utf-8")
