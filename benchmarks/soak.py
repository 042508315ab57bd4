"""Kill and break things at random for a while, and check that nothing is lost and nothing counts twice.

    python -m benchmarks.soak --minutes 10        (make soak; make soak MINUTES=60)

Four `ganns worker`s and a coordinator train a tiny run; every 3.6 s something breaks: a worker's process, its
supervisor, the coordinator or the server is killed, a worker is frozen or asleep, connections are cut. What a person or
a service would start again is started again (as a fork of a process that has loaded torch: so there is more work for
the faults to hit). Every 10 s the rules in tests/support/invariants.py are checked by SQL.
Then the run is asked for ten more rounds, and its weights are compared with those of `ganns solo`, where nothing is
killed. A unit that loses three workers is set aside, and solo would not be equal any more: so no worker is broken while
an open job has lost two. On a busy machine a fault takes longer: the soak goes on, up to twice its time, until there
were 10 kills a minute asked for. The last line is one JSON object. The exit code is 1 if a rule does not hold, a kind
of fault never happened, or there were fewer than 10 kills or 10 versions a minute.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import torch

from benchmarks import injections
from benchmarks.classroom import Classroom, classroom, wait_for
from ganns.config import Config, QuorumConfig, StopConfig
from tests.support import warm
from tests.support.fakes import solo_digest, tiny
from tests.support.invariants import CREDIT, INCOMPLETE, broken

NUM_WORKERS = 4
EVERY_S = 3.6
AT_LEAST_S = 0.5
CHECK_EVERY_S = 10.0
STALL_S = "10"  # so that a frozen worker is back soon
KILLS_PER_MINUTE = VERSIONS_PER_MINUTE = 10
MORE_ROUNDS = 10
KILLS: dict[str, tuple[int, injections.Inject]] = {
    "worker killed": (4, injections.kill_worker),
    "supervisor killed": (2, injections.kill_supervisor),
    "coordinator killed": (3, injections.kill_coordinator),
    "server crashed": (2, injections.crash_server),
    "server process killed": (2, injections.kill_server_process),
}
OTHERS: dict[str, tuple[int, injections.Inject]] = {
    "server restarted": (1, injections.restart_server),
    "connections cut": (1, injections.cut_connections),
    "worker frozen": (1, injections.freeze_worker),
    "worker asleep": (1, injections.wake_after(3.0)),
}
OF_WORKERS = {"worker killed", "supervisor killed", "worker frozen", "worker asleep"}
LOST_TWO = """
    SELECT j.id FROM procrastinate.procrastinate_jobs j JOIN ganns.task_attempts a ON a.job_id = j.id
    WHERE j.status IN ('todo', 'doing') AND a.kind = 'died' GROUP BY j.id HAVING count(*) >= 2"""
FAULTS = KILLS | OTHERS
"""Name -> (how often in a deck, what breaks). A deck is shuffled, and used up before the next one."""


class Soak:
    """The class, the faults that happened, and what was found broken."""

    def __init__(self, room: Classroom, seed: int) -> None:
        """Start the workers and the coordinator."""
        self.room, self._rng = room, random.Random(seed)
        self.config: Config = tiny(quorum=QuorumConfig(units=NUM_WORKERS), stop=StopConfig(rounds=10**6))
        self.fired: Counter[str] = Counter()
        self.not_now = self.restarts = 0
        self.broken: dict[str, list[Any]] = {}
        self._deck = self._rng.sample(list(FAULTS), len(FAULTS))  # each kind once first, however short the soak is
        self._credit: list[tuple[int, str]] = []
        for number in range(NUM_WORKERS):
            room.start_worker(f"w{number + 1}", GANNS_STALL_S=STALL_S)
        room.start_coordinator(self.config)

    @property
    def kills(self) -> int:
        """The kills that happened."""
        return sum(self.fired[name] for name in KILLS)

    def version(self) -> int:
        """Return the run's version; -1 before there is a run."""
        found = self.room.rows("SELECT version FROM ganns.runs")
        return found[0][0] if found else -1

    def fault(self) -> None:
        """Let the next fault of the deck happen, to a random worker."""
        if not self._deck:
            self._deck = [name for name, (num, _) in FAULTS.items() for _ in range(num)]
            self._rng.shuffle(self._deck)
        name = self._deck.pop()
        try:
            if name in OF_WORKERS and self.room.rows(LOST_TWO):
                raise injections.NotNow
            FAULTS[name][1](self.room, self._rng.choice(self.room.workers), self.config)
        except injections.NotNow:
            self.not_now += 1
            self._deck.insert(self._rng.randrange(len(self._deck) + 1), name)
        else:
            self.fired[name] += 1

    def keep_going(self) -> None:
        """Start again what ended by itself, as a service manager would."""
        if self.room.coordinator.poll() not in (None, 0):
            self.restarts += 1
            self.config.resume = "latest"
            self.room.start_coordinator(self.config)
        for worker in list(self.room.workers):
            if worker.supervisor.poll() is not None:
                self.restarts += 1
                self.room.replace(worker)

    def check(self) -> None:
        """Check the rules, and that the credit that was seen before is as it was."""
        for name, found in self.room.with_connection(broken).items():
            self._report(name, found)
        for version, seen in self._credit[-1:]:
            if (now := self.room.rows(CREDIT, (version,))[0][0]) != seen:
                self._report(f"the credit of the rounds before {version} changed", [seen, now])
        version = max(0, self.version())
        self._credit.append((version, self.room.rows(CREDIT, (version,))[0][0]))

    def _report(self, name: str, found: list[Any]) -> None:
        if name not in self.broken:
            print(f"BROKEN: {name}: {found[:3]}", flush=True)
        self.broken.setdefault(name, found)

    def break_things(self, minutes: float) -> None:
        """Break something every few seconds; check and print the progress now and then."""
        begun = due = checked = time.monotonic()
        end, last, kills = begun + 60 * minutes, begun + 120 * minutes, KILLS_PER_MINUTE * minutes
        while (now := time.monotonic()) < end or (self.kills < kills and now < last):
            self.fault()
            self.keep_going()
            if now > checked + CHECK_EVERY_S:
                checked = now
                self.check()
                after = timedelta(seconds=int(now - begun))
                rules = "a rule is broken" if self.broken else "all rules hold"
                print(
                    f"{after}: {self.kills} kills, {self.fired.total()} faults, version {self.version()}, {rules}",
                    flush=True,
                )
            due += EVERY_S
            time.sleep(max(AT_LEAST_S, due - time.monotonic()))

    def finish(self) -> int:
        """Ask for some more rounds, wait for the end, and return the last version."""
        self.room.kill_coordinator()
        wanted = self.version() + MORE_ROUNDS
        self.config.resume, self.config.stop.rounds = "latest", wanted
        self.room.start_coordinator(self.config)

        def has_ended() -> bool:
            self.keep_going()
            return bool(self.room.coordinator.poll() == 0)

        wait_for(has_ended, f"the run to end with version {wanted}", timeout_s=300, every_s=0.2)
        doing = "SELECT id, worker_id FROM procrastinate.procrastinate_jobs WHERE status = 'doing'"
        try:
            wait_for(lambda: not self.room.rows(doing), "all jobs to have an end", every_s=0.5)
        except SystemExit:
            self._report("jobs that are not done", self.room.rows(doing))
        self.check()
        if found := self.room.rows(INCOMPLETE):
            self._report("epochs without each image once", found)
        if (there := self.version()) != wanted:
            self._report("another version than asked for", [wanted, there])
        return wanted

    def digest(self) -> str:
        """Return the digest of the last version's weights, as the coordinator printed it."""
        lines = (self.room.folder / "coordinator.log").read_text(errors="replace").splitlines()
        return str([json.loads(line) for line in lines if line.startswith("{")][-1]["digest"])


def main() -> None:
    """Run the soak, print the figures, and exit with 1 if a promise does not hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, help="chooses the faults; default: random")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 30) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    torch.set_num_threads(1)
    with classroom("soak", warm.start) as room:
        soak = Soak(room, seed)
        wait_for(lambda: soak.version() >= 2, "the first rounds", timeout_s=300, every_s=0.2)
        soak.break_things(arguments.minutes)
        missing = [name for name in FAULTS if not soak.fired[name]]
        version = soak.finish()
        print(f"version {version}; computing the same rounds alone", flush=True)
        expected = solo_digest(tiny(quorum=soak.config.quorum, stop=StopConfig(rounds=version)))
        [[images, accepted, late]] = room.rows(
            "SELECT sum(images) FILTER (WHERE accepted), count(*) FILTER (WHERE accepted), "
            "count(*) FILTER (WHERE NOT accepted) FROM ganns.ledger"
        )
        enough = soak.kills >= int(KILLS_PER_MINUTE * arguments.minutes) and version - MORE_ROUNDS >= int(
            VERSIONS_PER_MINUTE * arguments.minutes
        )
        same = soak.digest() == expected
        passed = enough and same and not missing and not soak.broken
        figures = {
            "passed": passed,
            "minutes": arguments.minutes,
            "seed": seed,
            "kills": soak.kills,
            "faults": soak.fired,
            "never": missing,
            "not_now": soak.not_now,
            "restarts": soak.restarts,
            "version": version,
            "images": images,
            "accepted": accepted,
            "late": late,
            "as_solo": same,
            "broken": sorted(soak.broken),
        }
        if not passed:
            print(json.dumps(figures))
            raise SystemExit(1)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
