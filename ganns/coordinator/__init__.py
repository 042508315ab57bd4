"""The coordinator: opens rounds, waits for results, steps the optimizer, publishes versions.

Read `rounds.py` first: the protocol. `collector.py` adds the results, `refusals.py` refuses bad ones, `publisher.py`
makes a version visible, `run.py` creates, resumes and reconnects, `replay_run.py` repeats
recorded rounds, `state_files.py` and `restore.py` make a kill at any
moment harmless, `cleanup.py` keeps the database small, and `connections.py` opens the connections. `warden.py` ends
sessions that hold up a class, `overdue.py` gives units on that are held too long, `blame.py` finds who broke a model.
"""

from ganns.coordinator.observer import Observer, Quiet, RoundReport
from ganns.coordinator.replay_run import create_replay
from ganns.coordinator.run import train_replay, train_run

__all__ = ["Observer", "Quiet", "RoundReport", "create_replay", "train_replay", "train_run"]
