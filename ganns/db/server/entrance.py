"""Remember where the embedded server was opened last: in a file in its folder, which `ganns db serve` writes.

Other commands of this machine read it, to print lines with which machines can join.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ganns.utils.atomic import replacing

FILE = "ganns_entrance.json"


@dataclass(frozen=True)
class Entrance:
    """A host and port that are open to other machines, and whether the connections there are encrypted."""

    host: str
    port: int
    is_encrypted: bool

    def save(self, data_dir: Path) -> None:
        """Remember it for the server in `data_dir`."""
        with replacing(data_dir / FILE) as part:
            part.write_text(json.dumps(asdict(self)), "utf-8")

    @classmethod
    def load(cls, data_dir: Path) -> Entrance | None:
        """Return where the server in `data_dir` was opened last; None if it never was."""
        try:
            return cls(**json.loads((data_dir / FILE).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None
