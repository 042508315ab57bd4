"""One round as a moving picture with its steps, and the faults so far.

The code is in `lib/round/`:


player.js      plays events one after another: live, slowly, or those of the example
state.js       the state of a round, and what each event changes
beats.js       which events are shown together, and what moves
sentences.js   the last event as a sentence
layout.js      the place of everything: wide, and on a phone
parts.js       the parts of the picture
picture.js     the picture as SVG
example.js     a round to learn from, without any training
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ganns.dashboard.components import Component


class RoundDiagram(Component, component="round_diagram.js"):
    """The picture with its buttons and its caption, the panel that explains the chosen part, and the steps."""

    def __init__(
        self,
        run: int | None,
        elements: Mapping[str, Mapping[str, str]],
        legend: Sequence[Mapping[str, str]],
        steps: Sequence[tuple[str, str]],
    ) -> None:
        """Show a run, or none.

        Args:
            run: the run's number, for the texts; events come through the page's WebSocket.
            elements: {title, text, code, name, doc, link} for each part; `link` may be empty.
            legend: {key, title} for each thing that moves.
            steps: (name, sentence) for each step of a round; the present step is marked.
        """
        super().__init__(run=run, elements=dict(elements), legend=list(legend), steps=list(steps))


class RoundFaults(Component, component="round_faults.js"):
    """The kinds of faults, each with its number since the page was opened."""

    def __init__(self, faults: Sequence[tuple[str, str, str]]) -> None:
        """Show these faults: (event, name, sentence)."""
        super().__init__(faults=list(faults))
