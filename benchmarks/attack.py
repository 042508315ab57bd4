"""Measure what hostile workers do to the quality, with each aggregation rule, with and without audits.

    python -m benchmarks.attack [--seeds 1] [--rounds 100] [--attacks sign_flip x50] [--rules mean mean+audits]

32x32 faces, networks with 16 features, ten workers of which two are hostile (`benchmarks.hostile_workers`). All are
simulated in one process, one after the other. What decides is the program's own: the checks and limits of a result
(`ganns/training/bounds.py`), clipping and the rules, the choice of the results to audit, their comparison, trust and
quarantine (`audit.py` and `trust.py` there). A worker whose result is refused three times is set aside, as in a run. A
result that is audited is compared one round after its own; the second result is the honest one of this machine.
False features of an evaluation are not here, since they change no weights: tests/coordinator/test_audits.py has them.

The last line is JSON: for each attack and rule `fid` and `swd` of the averaged generator (the means of five looks in
the last quarter of the rounds, since one look alone varies much), `fid_range` of these looks, `fid_clean` and
`swd_clean` of the same rule without hostile workers, `quarantined_after_units` (of each hostile worker; null: never),
`false_quarantines`, `audit_overhead` (audits beyond the first ten of each worker, for each accepted result), `refused`,
and `norm_ratio` (the largest norm of a result over the median before it). With several seeds `fid` and `swd` are means.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.hostile_workers import ATTACKS, Scene
from benchmarks.simulated_class import Judge, Way, config_of
from benchmarks.variants import small
from ganns.config import OPTIONS as GROUPS
from ganns.config import AuditConfig, Config, GradientStrategy, QuorumConfig, StopConfig
from ganns.coordinator.refusals import STRIKES
from ganns.data import ImageSet, open_images
from ganns.errors import BadResult
from ganns.training.aggregation import build_totals
from ganns.training.audit import Case, audit, compare
from ganns.training.bounds import NUM_FIRST, check_metrics, measure, remembered
from ganns.training.clipping import LEAST_NORMS
from ganns.training.plan import Slice, plan_round
from ganns.training.seeds import permutation
from ganns.training.state import Progress, TrainingState
from ganns.training.strategies import build_computer
from ganns.training.trust import Trust, is_auditor_suspect, is_chosen, is_out
from ganns.training.unit import UnitComputer, UnitResult

NUM_WORKERS, HOSTILE = 10, (3, 7)
NUM_LOOKS = 5
RULES = ["mean", "mean+audits", "median", "trimmed_mean", "centered_clipping", "multi_krum"]


@dataclass
class Class:
    """Ten simulated workers, and what the coordinator knows of them."""

    config: Config
    computer: UnitComputer
    images: ImageSet
    attack: str | None
    has_audits: bool
    present: list[int] = field(default_factory=lambda: list(range(NUM_WORKERS)))
    strikes: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(NUM_WORKERS), 0))
    trust: dict[int, Trust] = field(default_factory=lambda: dict.fromkeys(range(NUM_WORKERS), Trust()))
    units: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(NUM_WORKERS), 0))
    memories: dict[int, dict[str, UnitResult]] = field(default_factory=dict)
    out_after: dict[int, int] = field(default_factory=dict)
    num_audits: int = 0
    num_refused: int = 0
    norm_ratio: float = 0.0
    waiting: list[tuple[int, Case, UnitResult]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.config.seed).random

    def send(self, worker: int, round_: int, honest: UnitResult, all_honest: list[UnitResult]) -> UnitResult:
        """Return what a worker sends for a unit."""
        if worker not in HOSTILE or self.attack is None:
            return honest
        memory = self.memories.setdefault(worker, {})
        is_trusted = self.trust[worker].agreed >= self.config.audit.first
        scene = Scene(self.config.seed, worker, round_, all_honest, memory, is_trusted)
        return ATTACKS[self.attack](scene, honest)

    def put_out(self, worker: int) -> None:
        """Give a worker no more units."""
        if worker in self.present:
            self.present.remove(worker)
            self.out_after[worker] = self.units[worker]

    def refuse(self, worker: int) -> None:
        """Count a refused result."""
        self.num_refused += 1
        self.strikes[worker] += 1
        if self.strikes[worker] >= STRIKES:
            self.put_out(worker)

    def accept(self, worker: int, case: Case, own: UnitResult) -> None:
        """Choose whether an accepted result is audited."""
        self.strikes[worker] = max(0, self.strikes[worker] - 1)
        if not self.has_audits:
            return
        trust = self.trust[worker]
        chosen = is_chosen(trust, self.config.audit, self.draw())
        self.trust[worker] = trust.counted(self.config.audit, chosen)
        if chosen:
            self.num_audits += trust.agreed >= self.config.audit.first
            self.waiting.append((worker, case, own))

    def is_right(self, case: Case) -> bool:
        """Audit a result that differs as a coordinator does, on a machine of another kind."""
        finding = audit(self.computer, self.images, self.config, case, {})
        return finding is not None and finding.agreed

    def audit(self) -> None:
        """Compare the results that wait."""
        for worker, case, own in self.waiting:
            agreed = not compare(case, own).exceeds() or self.is_right(case)
            self.trust[worker] = self.trust[worker].after(agreed)
            if not agreed and is_out(self.trust[worker], self.config.audit) and not is_auditor_suspect(self.trust):
                self.put_out(worker)
        self.waiting = []


def configuration(rule: str, strategy: str, seed: int) -> Config:
    """Return the configuration of a run."""
    name = rule.partition("+")[0]
    if strategy == "gradient":
        config = replace(
            small(seed, 0),
            strategy=GradientStrategy(unit_images=16, micro_batch=16),
            stop=StopConfig(rounds=10**9),
        )
    else:
        config = config_of(Way(NUM_WORKERS, 8, 8, 4e-3), seed)
    quorum, aggregate = QuorumConfig(units=NUM_WORKERS), GROUPS["aggregate"][name]()
    return replace(config, quorum=quorum, aggregate=aggregate, audit=AuditConfig(of="everyone"))


def simulate(
    config: Config, attack: str | None, has_audits: bool, rounds: int, look: Callable[[TrainingState], None]
) -> Class:
    """Train with ten workers; return the class. `look` sees five versions of the last quarter, the last one too."""
    images, state, computer = open_images(config.data, 32), TrainingState(config), build_computer(config)
    cursor, seen, group = Progress().cursor, 0, Class(config, computer, images, attack, has_audits)
    for number in range(rounds):
        group.audit()
        slices, cursor = plan_round(
            cursor, NUM_WORKERS, num_images=images.num_train, unit_images=config.strategy.unit_images
        )
        computer.load(state.weights())
        honest = []
        for unit, one in enumerate(slices):
            order = permutation(config.seed, one.epoch, images.num_train)
            batch = images.train(order[one.start : one.start + one.num_images])
            result = computer.compute(batch, (config.seed, number, unit))
            assert result is not None
            honest.append(result)
        totals = build_totals(config.aggregate, state.norms)
        for unit, result in enumerate(accepted(group, state, slices, honest, number)):
            for role, part in result.parts.items():
                totals[role].add(part, slices[unit].num_images)
        seen += sum(one.num_images for one in slices)
        for role, total in totals.items():  # how far honest norms are from the median before them
            if len(state.norms[role]) >= LEAST_NORMS:
                ratio = max(total.norms) / statistics.median(state.norms[role])
                group.norm_ratio = max(group.norm_ratio, ratio)
        state.advance(totals, Progress(0, seen, 0.0, cursor))
        left, step = rounds - number - 1, max(1, rounds // (4 * NUM_LOOKS))
        if left % step == 0 and left < NUM_LOOKS * step:
            look(state)
    return group


def accepted(
    group: Class, state: TrainingState, slices: list[Slice], honest: list[UnitResult], number: int
) -> list[UnitResult]:
    """Return a round's accepted results in unit order; a refused one is computed again by the next worker."""
    config, results = group.config, []
    weights = {name: value.clone() for name, value in state.weights().items()}
    limits = {r: remembered(r, config, state.networks[r], state.optimizers[r]) for r in ("d", "g")}
    workers = [group.present[(number + unit) % len(group.present)] for unit in range(len(honest))]
    sent = [group.send(worker, number, own, honest) for worker, own in zip(workers, honest, strict=True)]
    for unit, own in enumerate(honest):
        worker, result = workers[unit], sent[unit]
        group.units[worker] += 1
        try:
            check_metrics(result.metrics)
            sizes = {r: measure(p, r, state.networks[r], config, own.num_images) for r, p in result.parts.items()}
            if not limits["d"].are_known and unit + 1 >= NUM_FIRST:
                first = [
                    {r: measure(p, r, state.networks[r], config, own.num_images) for r, p in one.parts.items()}
                    for one in honest[:NUM_FIRST]
                ]
                limits = {r: limits[r].or_median([one[r] for one in first]) for r in limits}
            for role, size in sizes.items():
                limits[role].check(size)
        except BadResult:
            group.refuse(worker)
            result, worker = own, next(one for one in range(NUM_WORKERS) if one not in HOSTILE)
        results.append(result)
        case = Case(number, unit, slices[unit], None, weights, result.parts, result.metrics, {"device": "cpu"})
        group.accept(worker, case, own)
    return results


def measured(attack: str | None, rule: str, strategy: str, seed: int, rounds: int, judge: Judge) -> dict[str, Any]:
    """Return the figures of one run."""
    config = configuration(rule, strategy, seed)
    looks: list[tuple[float, float]] = []

    def look(state: TrainingState) -> None:
        is_finite = all(bool(value.isfinite().all()) for value in state.tensors().values())
        looks.append(judge.distances(state) if is_finite else (float("inf"), float("inf")))

    group = simulate(config, attack, rule.endswith("+audits"), rounds, look)
    fids = [fid for fid, _ in looks]
    return {
        "fid": statistics.mean(fids),
        "fid_range": [round(min(fids), 2), round(max(fids), 2)],
        "swd": statistics.mean(swd for _, swd in looks),
        "quarantined_after_units": [group.out_after.get(worker) for worker in HOSTILE] if attack else [],
        "false_quarantines": sum(worker not in HOSTILE or attack is None for worker in group.out_after),
        "audit_overhead": round(group.num_audits / sum(group.units.values()), 4),
        "refused": group.num_refused,
        "norm_ratio": round(group.norm_ratio, 2),
    }


def main() -> None:
    """Run what is missing, and print the table and the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--strategy", choices=("local_steps", "gradient"), default="local_steps")
    parser.add_argument("--attacks", nargs="*", choices=ATTACKS, default=list(ATTACKS))
    parser.add_argument("--rules", nargs="*", default=RULES, help="a rule, or a rule with +audits")
    parser.add_argument("--out", type=Path, default=Path("outputs/attack.jsonl"), help="what is there stays")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    lines = options.out.read_text().splitlines() if options.out.exists() else []
    done = {tuple(key): figures for key, figures in map(json.loads, lines)}
    judge = Judge()
    for seed in range(options.seeds):
        for rule in options.rules:
            for attack in [None, *options.attacks]:
                key = (attack, rule, options.strategy, seed, options.rounds)
                if key in done:
                    continue
                begun = time.monotonic()
                done[key] = measured(*key, judge)
                with options.out.open("a") as out:
                    out.write(json.dumps([key, done[key]]) + "\n")
                print(f"{key}: {done[key]} in {time.monotonic() - begun:.0f} s", flush=True)
    print(json.dumps(summary(done, options)))


def summary(done: dict[tuple[Any, ...], dict[str, Any]], options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of each attack and rule, the means over the seeds beside those without an attack."""
    found: dict[str, Any] = {"seeds": options.seeds, "rounds": options.rounds, "strategy": options.strategy}
    for rule in options.rules:
        for attack in [None, *options.attacks]:
            keys = [(attack, rule, options.strategy, seed, options.rounds) for seed in range(options.seeds)]
            clean = [done[None, *key[1:]] for key in keys]
            some = [done[key] for key in keys]
            figures = {
                "fid": round(statistics.mean(one["fid"] for one in some), 2),
                "fid_range": [one["fid_range"] for one in some],
                "swd": round(statistics.mean(one["swd"] for one in some), 2),
                "fid_clean": round(statistics.mean(one["fid"] for one in clean), 2),
                "swd_clean": round(statistics.mean(one["swd"] for one in clean), 2),
                "quarantined_after_units": [number for one in some for number in one["quarantined_after_units"]],
                "false_quarantines": sum(one["false_quarantines"] for one in some),
                "audit_overhead": max(one["audit_overhead"] for one in some),
                "refused": sum(one["refused"] for one in some),
                "norm_ratio": max(one["norm_ratio"] for one in some),
            }
            found.setdefault(attack or "none", {})[rule] = figures
    return found


if __name__ == "__main__":
    main()
