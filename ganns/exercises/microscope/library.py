"""Recordings in files: one of each ready scene, in the package, and those of your own scenes, below GANNS_HOME.

`python -m ganns.exercises.microscope.library` searches all ready scenes again, and records the orders worth seeing.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ganns import paths
from ganns.errors import GannsError
from ganns.exercises.microscope.recording import Recording, from_json, to_json
from ganns.exercises.microscope.scene import ready
from ganns.utils.atomic import replacing

FOLDER = Path(__file__).parent / "recordings"
MAX_OWN = 50
"""Recordings of your own that are listed: the newest ones."""
MAX_BYTES = 1_000_000


def recorded(name: str) -> Recording:
    """Return the recording of a ready scene."""
    return from_json((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def keep(recording: Recording) -> None:
    """Write the recording of a scene of your own below GANNS_HOME, where the dashboard finds it."""
    if recording.scene in ready():
        return
    path = _own_folder() / f"{recording.scene}.json"
    with replacing(path) as part:
        part.write_text(to_json(recording), encoding="utf-8")


def own() -> list[Recording]:
    """Return the recordings of scenes that are not ready ones, newest first. A damaged file is left out."""
    folder = paths.home_path() / "microscope"
    files = [path for path in folder.glob("*.json") if path.stem not in ready()] if folder.is_dir() else []
    found = []
    for path in sorted(files, key=lambda one: one.stat().st_mtime, reverse=True)[:MAX_OWN]:
        try:
            if path.stat().st_size <= MAX_BYTES:
                found.append(from_json(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, GannsError):
            continue
    return found


def _own_folder() -> Path:
    folder = paths.home() / "microscope"
    folder.mkdir(exist_ok=True)
    return folder


def main() -> None:
    """Record all ready scenes; a scene that holds is played in the order that breaks the other one, if it can be."""
    from ganns.exercises.microscope.player import NotNow, Player
    from ganns.exercises.microscope.scene import find
    from ganns.exercises.microscope.scratch import scratch_database
    from ganns.exercises.microscope.search import search_scene, summary

    FOLDER.mkdir(exist_ok=True)
    found = {}
    with scratch_database() as address:
        for name in ready():
            with Player(address, find(name)) as player:
                found[name] = search_scene(player)
            print(f"{name}: {' '.join(summary(found[name]))}", flush=True)
        for name, finding in found.items():
            with Player(address, find(name)) as player:
                recording = player.record(finding.shown)
                other = found[find(name).see_also].broken
                if finding.broken is None and other is not None:
                    with suppress(NotNow):
                        recording = player.record(other.order)
            (FOLDER / f"{name}.json").write_text(to_json(recording), encoding="utf-8")


if __name__ == "__main__":
    main()
