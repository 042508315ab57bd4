"""Transactions, drawn from recordings of real sessions: one scene, or a broken one beside its repair."""

from __future__ import annotations

from pathlib import Path

from ganns.exercises.microscope.lanes import lay_out
from ganns.exercises.microscope.library import recorded
from ganns.exercises.microscope.svg import Panel, draw

SINGLE_WIDTH, PAIR_WIDTH = 400, 224  # of a lane, in pixels
SCENES = {
    "scene-snapshot": ("read_committed",),
    "scene-repeatable": ("repeatable_read",),
    "scene-lock": ("claim_for_update",),
    "scene-deadlock": ("deadlock",),
    "pair-claim": ("claim_unlocked", "claim_skip_locked"),
    "pair-chord": ("chord_unlocked", "chord_locked"),
    "pair-isolation": ("chord_repeatable_read", "chord_locked"),
    "pair-sleeper": ("sleeper_unfenced", "sleeper_fenced"),
    "pair-submit": ("submit_unlocked", "submit_locked"),
    "pair-epoch": ("close_in_two", "close_in_one"),
    "pair-lease": ("lease_unchecked", "lease_checked"),
    "pair-sum": ("sum_by_arrival", "sum_by_unit"),
    "pair-notify": ("notify_lost", "notify_recount"),
}
"""Each figure's scenes: one, or two side by side."""


def write(name: str, path: Path) -> None:
    """Draw a figure into a file."""
    panels = [Panel(one.title, lay_out(one)) for one in map(recorded, SCENES[name])]
    path.write_text(draw(panels, SINGLE_WIDTH if len(panels) == 1 else PAIR_WIDTH), encoding="utf-8")
