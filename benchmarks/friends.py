"""Measure the time to fixed levels of quality: for classes of 1 to 16 workers, and for the best plain loop.

    python -m benchmarks.friends [--seeds 3] [--out outputs/friends.jsonl] [--costs outputs/friends-costs.json]
    python -m benchmarks.friends --real        # does the simulated clock predict the real system's?
    python -m benchmarks.friends --plot docs/images/friends.png

32x32 faces, networks with 16 features. The classes have the settings of `strategy.per_class` (the table in
ganns/training/per_class.py, at rates of 2e-3 and 4e-3), and are simulated in one process: `benchmarks.simulated_class`
says how its clock works. The plain loop is the best of the batches and rates below, with one thread or two: all are
tried with the first seed, and those that are the best at some level with the others. Both are trained with R1 and
without it, and at each level the faster one counts. Evaluations take no time on the clock.

Each result is a line of `--out`, a curve over steps, not seconds; what is there is not computed again. So the costs of
a step and of a round can be measured again, or on another machine, without another study. `--real` needs a quiet
machine, as the measuring of the costs does. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.simulated_class import Curve, Way, bytes_a_round, measure_round, measure_steps, seconds, time_to, train
from ganns.training.per_class import TABLE

RATE = 4e-3
PLAIN = [
    Way(0, batch, 16, rate, r1=r1)
    for r1 in (0.0, 1.0)
    for batch in (8, 16, 32, 64)
    for rate in (RATE / 2, RATE, 2 * RATE)
]
"""Ways of the plain loop, whose moments stay: the length of its units says only how often the average is moved."""
CLASSES = {
    row.size: [
        Way(row.size, row.micro_batch, row.steps, round(row.rate * rate, 6), r1=r1)
        for rate in (RATE / 2, RATE)
        for r1 in (0.0, 1.0)
    ]
    for row in TABLE
}
LEVELS = {"fid": (40, 30, 20, 15, 12, 10, 8, 6, 5), "swd": (120, 90, 70, 60)}
COLUMN = {"fid": 2, "swd": 3}  # of a point of a curve
LINKS = {"no transfers": None, "50 Mbit/s": 50.0, "10 Mbit/s": 10.0}
EVERY, MAX_S, GOOD_ENOUGH = 96, 20.0, (5, 60)
"""Steps between two evaluations, seconds on the clock after which a way ends, and the FID and SWD at which it ends
sooner."""
Results = dict[tuple[str, int], Curve]


def main() -> None:
    """Run what is missing, and print the table and the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="*", default=list(CLASSES), help="only these classes")
    parser.add_argument("--out", type=Path, default=Path("outputs/friends.jsonl"))
    parser.add_argument("--costs", type=Path, default=Path("outputs/friends-costs.json"), help="measured if not there")
    parser.add_argument("--real", action="store_true", help="compare the clock with the real system's, two workers")
    parser.add_argument("--plot", type=Path, help="only draw the results of --out into this PNG")
    options = parser.parse_args()
    torch.set_num_threads(1)
    costs = known_costs(options.costs)
    if options.real:
        print(json.dumps(compare_with_real(costs)))
        return
    results = read(options.out)
    if options.plot:
        plot(results, costs, options.plot)
        return
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for seed in range(options.seeds):
        plain = PLAIN if seed == 0 else finalists(results, costs)
        for way in [*plain, *(way for number in options.workers for way in CLASSES[number])]:
            if (way.name, seed) not in results:
                max_steps = int(MAX_S / seconds(way, costs, 1, 1 / way.steps, None, 1))
                curve = train(way, seed, every=EVERY, max_steps=max_steps, good_enough=GOOD_ENOUGH)
                results[way.name, seed] = curve
                with options.out.open("a") as out:
                    out.write(json.dumps([asdict(way), way.name, seed, curve]) + "\n")
                print(f"{way.name}, seed {seed}: {len(curve)} evaluations, the last {curve[-1:]}", flush=True)
    print(json.dumps(summary(results, costs, options.workers, options.seeds)))


def known_costs(path: Path) -> dict[str, Any]:
    """Return the costs of steps and rounds in a file; measure what it lacks, and write it."""
    costs: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if not costs:
        costs["step_ms"] = measure_steps(1)
        costs["step_ms_2_threads"] = measure_steps(2)
        torch.set_num_threads(1)
        costs["bytes_a_round"] = sum(bytes_a_round(CLASSES[2][0]))
        costs["round_ms"] = measure_round(Way(2, 4, 1, RATE), 60)["fixed_ms"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(costs, indent=1) + "\n")
    return costs


def compare_with_real(costs: dict[str, Any]) -> dict[str, Any]:
    """Train with two real workers; return the median of a round's time, and what the simulation says it is."""
    way = CLASSES[2][0]
    real = measure_round(way, 40)
    predicted = 1000 * seconds(way, costs, way.steps, 1, None, 1)
    return {
        "way": way.name,
        **real,
        "predicted_ms": round(predicted, 1),
        "ratio": round(predicted / real["real_ms"], 3),
    }


def finalists(results: Results, costs: dict[str, Any]) -> list[Way]:
    """Return the plain ways that are the fastest with seed 0, at some level, with one thread or two."""
    found = set()
    for threads in (1, 2):
        alone = {way: times(results, costs, way, 1, None, threads) for way in PLAIN}
        for measure, levels in LEVELS.items():
            for level in levels:
                reached = {way: value for way, one in alone.items() if (value := mean(one[measure][level])) is not None}
                if reached:
                    found.add(min(reached, key=lambda way: reached[way]))
    return [way for way in PLAIN if way in found]


def read(path: Path) -> Results:
    """Return the curves of an earlier study, by (way, seed)."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {(name, seed): curve for _, name, seed, curve in map(json.loads, lines)}


Times = dict[str, dict[int, list[float | None]]]
"""By measure and level, the seconds of each seed."""


def times(results: Results, costs: dict[str, Any], way: Way, seeds: int, mbit_s: float | None, threads: int) -> Times:
    """Return the seconds to each level, for each seed that has a result."""

    def clock(way: Way, steps: float, num_rounds: float) -> float:
        return seconds(way, costs, steps, num_rounds, mbit_s, threads)

    curves = [results[way.name, seed] for seed in range(seeds) if (way.name, seed) in results]
    return {
        measure: {level: [time_to(way, curve, level, COLUMN[measure], clock) for curve in curves] for level in levels}
        for measure, levels in LEVELS.items()
    }


def mean(values: list[float | None]) -> float | None:
    """Return the mean; None if a seed is missing, or never reached the level."""
    known = [value for value in values if value is not None]
    return statistics.mean(known) if known and len(known) == len(values) else None


def summary(results: Results, costs: dict[str, Any], workers: list[int], seeds: int) -> dict[str, Any]:
    """Return the speed of each class against the best plain loop, by level and link."""
    figures: dict[str, Any]
    figures = {"seeds": seeds, "speedup": {}, "best_solo_s": {}, "best_solo": {}, "workers_s": {}, "spread": {}}
    plain = [(f"{way.name}, {n} threads", times(results, costs, way, seeds, None, n)) for way in PLAIN for n in (1, 2)]
    for measure, levels in LEVELS.items():
        for level in levels:
            name = f"{measure} {level}"
            candidates = [(value, who) for who, one in plain if (value := mean(one[measure][level])) is not None]
            if not candidates:
                continue
            best, who = min(candidates)
            figures["best_solo_s"][name], figures["best_solo"][name] = round(best, 2), who
            for link, mbit_s in LINKS.items():
                for number in workers:
                    tried = [times(results, costs, way, seeds, mbit_s, 1)[measure][level] for way in CLASSES[number]]
                    reached = [(value, values) for values in tried if (value := mean(values)) is not None]
                    if not reached:
                        continue
                    value, values = min(reached, key=lambda one: one[0])
                    place = (f"{number} workers, {link}", name)
                    figures["workers_s"].setdefault(place[0], {})[name] = round(value, 2)
                    figures["speedup"].setdefault(place[0], {})[name] = round(best / value, 2)
                    known = [one for one in values if one is not None]
                    figures["spread"].setdefault(place[0], {})[name] = [round(min(known), 2), round(max(known), 2)]
    return figures


def plot(results: Results, costs: dict[str, Any], path: Path) -> None:
    """Draw FID and SWD over the clock: the plain loop and each class, by their fastest way to a FID of 12.

    Each has one line for each seed.
    """
    from matplotlib.figure import Figure

    seeds = 1 + max((seed for _, seed in results), default=0)

    def fastest(ways: list[Way]) -> Way:
        return min(ways, key=lambda way: mean(times(results, costs, way, seeds, None, 1)["fid"][12]) or math.inf)

    figure = Figure(figsize=(9, 4.8), dpi=110, layout="constrained")
    colours = ["#000000", "#999999", "#0072B2", "#009E73", "#D55E00", "#CC79A7"]
    for axes, (measure, levels) in zip(figure.subplots(1, 2), LEVELS.items(), strict=True):
        for colour, way in zip(colours, map(fastest, [PLAIN, *CLASSES.values()]), strict=True):
            for seed in range(seeds):
                curve = results.get((way.name, seed), [])
                clock = [seconds(way, costs, point[0], point[1], None, 1) for point in curve]
                label = way.name if seed == 0 and curve else None
                axes.plot(clock, [point[COLUMN[measure]] for point in curve], color=colour, label=label, alpha=0.8)
        axes.set_yscale("log")
        axes.set_xlabel("seconds, no transfers")
        axes.set_ylabel(measure.upper())
        axes.hlines(levels, 0, axes.get_xlim()[1], color="#cccccc", linewidth=0.6, zorder=0)
        axes.set_yticks(levels, [str(level) for level in levels])
        axes.minorticks_off()
    figure.legend(*axes.get_legend_handles_labels(), fontsize=8, ncols=2, loc="outside lower center")
    figure.savefig(path)


if __name__ == "__main__":
    main()
