"""The coordinator: opens rounds, waits for results, steps the optimizer, publishes versions.

Read `rounds.py` first: the protocol. `collector.py` turns arriving results into one sum, `run.py` creates,
resumes and reconnects, `statefiles.py` and `resume.py` make a kill at any moment harmless, `cleanup.py`
keeps the database small, `connections.py` holds the connections.
"""

from ganns.coordinator.observer import Observer, Quiet, RoundReport
from ganns.coordinator.run import train_run

__all__ = ["Observer", "Quiet", "RoundReport", "train_run"]
