"""Carry out instructors' commands to a run while it is trained.

    ganns runs pause 3     the open round is collected and closed as always; then no round is opened until
    ganns runs resume 3    opens the next, at the same version: the weights will be those of a run that was not paused
    ganns runs stop 3      like pause, but the coordinator ends, as after Ctrl-C
    ganns runs quorum 3 5  each round that is opened from now on waits for 5 results

The command is in the run's row, which every transaction of the coordinator locks (`Publisher.hold_lease`). The
transaction that opens a round decides by it whether the round is opened, and with how many units: when `pause` has
returned, no round is opened any more. A paused run is an open run without an open round, as a run is before its first
round; a coordinator that finds this state after a crash goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ganns.coordinator.publisher import Publisher
from ganns.coordinator.reconciler import Reconciler
from ganns.store import fair_share
from ganns.store.control import asked_by
from ganns.store.lease import Wish

POLL_S = 0.5
"""Poll interval while the run is paused, for Ctrl-C too. A resume wakes the coordinator at once."""


class Interrupted(Exception):
    """The coordinator was told to stop; the run stays open and can be resumed."""


@dataclass
class Commands:
    """Carries out the commands to one run."""

    publisher: Publisher
    reconciler: Reconciler
    _said: Wish = field(default_factory=Wish)

    def wait(self, should_stop: Callable[[], bool]) -> float:
        """Wait while the run is paused; return the seconds, which do not count as time of training.

        Raises:
            Interrupted: an instructor or a signal stops the run.
            LeaseLost: another coordinator took over.
        """
        begun, publisher = time.monotonic(), self.publisher
        if publisher.wish.wanted == "pause":
            self._said = replace(self._said, wanted="pause")
            who = asked_by(publisher.connections.main, publisher.run_id, "pause")
            self.reconciler.say(
                f"paused by {who} at version {publisher.state.progress.version}: `ganns runs resume {publisher.run_id}`"
                " continues the run; Ctrl-C leaves it paused"
            )
        self.say_news()
        while publisher.wish.wanted != "run":
            if publisher.wish.wanted == "stop" or should_stop():
                raise Interrupted
            publisher.connections.wait(POLL_S)
            self.reconciler.tick(publisher.state.progress.version)
            self.say_news()
        # The other runs have trained meanwhile: this one must not get the time back in which it was paused.
        fair_share.join_queue(publisher.connections.main, publisher.run_id)
        return time.monotonic() - begun

    def say_news(self) -> None:
        """Print the newest command and its author, if it is newer than the last call."""
        before, wish = self._said, self.publisher.wish
        if wish == before:
            return
        self._said = wish
        conn, run_id = self.publisher.connections.main, self.publisher.run_id
        if wish.wanted != before.wanted:
            who = asked_by(conn, run_id, "resume" if wish.wanted == "run" else wish.wanted)
            what = {
                "run": "continues the run",
                "pause": "pauses the run: open rounds are collected, and no further round is opened",
                "stop": "stops the run: open rounds are collected, then the coordinator ends",
            }
            self.reconciler.say(f"{who} {what[wish.wanted]}")
        if wish.units != before.units:
            who, units = asked_by(conn, run_id, "quorum"), self.publisher.state.config.quorum.units
            instead = f"{wish.units} instead of {units}" if wish.units else f"{units} again"
            self.reconciler.say(f"{who} sets the quorum to {instead}, from the next new round on")
