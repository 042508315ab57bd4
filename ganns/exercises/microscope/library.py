"""Recordings in files: one of each ready scene, in the package, and those of your own scenes, below GANNS_HOME.

`python -m ganns.exercises.microscope.library` searches all ready scenes again, and records the orders worth seeing.
"""

from __future__ import annotations

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
    """Record all ready scenes."""
    from ganns.exercises.microscope.player import Player
    from ganns.exercises.microscope.scene import find
    from ganns.exercises.microscope.scratch import scratch_database
    from ganns.exercises.microscope.search import search_scene, summary

    FOLDER.mkdir(exist_ok=True)
    with scratch_database() as address:
        for name in ready():
            with Player(address, find(name)) as player:
                finding = search_scene(player)
                recording = player.record(finding.shown)
            (FOLDER / f"{name}.json").write_text(to_json(recording), encoding="utf-8")
            print(f"{name}: {' '.join(summary(finding))}", flush=True)


if __name__ == "__main__":
    main()
