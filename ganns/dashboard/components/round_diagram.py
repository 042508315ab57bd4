"""One round as a moving picture, its steps, and what went wrong: all of them follow one player (`round/`).

round/player.js      plays events as beats: live, slowly, or those of the example
round/told.js        what a run's events mean
round/beats.js       which events are shown together, and what moves
round/state.js       what each event changes
round/sentences.js   what happened last, in words
round/layout.js      where things are: wide, and on a phone
round/parts.js       what stands in the picture
round/example.js     a round to learn from, without any training
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nicegui.element import Element

from ganns.dashboard.components import LIVE

ROUND = {**LIVE, "ganns-round": "round"}


class RoundDiagram(Element, component="round_diagram.js", esm=ROUND):
    """The picture, with its buttons, its caption, and the panel that explains what was chosen."""

    def __init__(
        self, run: int | None, elements: Mapping[str, Mapping[str, str]], legend: Sequence[Mapping[str, str]]
    ) -> None:
        """Show a run, or none.

        Args:
            run: only for the words; what happens comes from the page's WebSocket.
            elements: for each part {title, text, code, name, doc, link}; `link` may be empty.
            legend: {key, title} of what moves.
        """
        super().__init__()
        self._props |= {"run": run, "elements": dict(elements), "legend": list(legend)}


class RoundSteps(Element, component="round_steps.js", esm=ROUND):
    """A numbered list; the step that is happening now is marked."""

    def __init__(self, steps: Sequence[tuple[str, str]]) -> None:
        """Show these steps: (name, sentence)."""
        super().__init__()
        self._props["steps"] = steps


class RoundFaults(Element, component="round_faults.js", esm=ROUND):
    """What can go wrong, each with how often it happened since the page was opened."""

    def __init__(self, faults: Sequence[tuple[str, str, str]]) -> None:
        """Show these: (event, name, sentence)."""
        super().__init__()
        self._props["faults"] = faults


class RoundBegun(Element, component="round_begun.js", esm=LIVE):
    """A link to the first run, when there is one."""
