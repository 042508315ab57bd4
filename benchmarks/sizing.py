"""The size of a class: round time, links, connections, disk, processor and cost, by arithmetic.

    python -m benchmarks.sizing --table
    python -m benchmarks.sizing --workers 30 --server-mbit 300 --price-gb 0.1

Nothing is measured here. Measured numbers come from the other benchmarks (`Measured`, docs/howto/benchmarks.md), and
options describe your links and machines (`Yours`). Every printed number is computed from both. With `--table` it prints
the tables of docs/howto/sizing.md. The last line is one JSON object.

The model: a worker fetches the weights, computes, and uploads its result, one after the other. All workers share the
server's link and its processors. The round lasts as long as its slowest part, plus a fixed time. Nothing overlaps,
nothing is lost, and every worker's link has the speed of the option. A real class may be a little faster, or have
problems that the model does not know.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass, replace

NUM_WEIGHTS_G, NUM_WEIGHTS_D = 3_576_704, 2_765_568
"""The parameters of DCGAN for 64x64 (tests/project/test_sizing.py counts them)."""
WORKER_CONNECTIONS, COORDINATOR_CONNECTIONS = 3, 6
"""The maximum, from docs/explain/workers.md and docs/howto/external-database.md."""
MEGA = 1e6


@dataclass(frozen=True)
class Measured:
    """Numbers from docs/howto/benchmarks.md: 2 cores of an AMD EPYC, 2026-11-24."""

    compute_s: float = 1.4909  # benchmarks.round, `compute`: 64 images of 64x64 by one thread
    compute_images: int = 64
    fixed_s: float = 0.0249  # benchmarks.overhead, `fixed_ms`: a round with almost nothing to compute
    units_per_s: float = 75.5  # benchmarks.fleet: small results, and 200 clients on the same two cores
    units_cores: int = 2
    fetch_s: float = 0.0423  # benchmarks.round, `fetch`: 25.4 MB through PostgreSQL, on one machine
    database_mb: float = 23.3  # benchmarks.overhead: after 300 rounds of a model of 100 kB


@dataclass(frozen=True)
class Yours:
    """Your own numbers: links in Mbit/s, machines, and prices in any currency."""

    server_mbit: float = 1000.0
    down_mbit: float = 50.0
    up_mbit: float = 10.0
    server_cores: float = 2
    slow_share: float = 0.1  # the fraction of slow workers; below, the factor by which they are slower
    slow_factor: float = 3.0
    price_hour: float = 0.0
    price_gb: float = 0.0


OPTIONS = {
    "--server-mbit": "the server's link, each way",
    "--down-mbit": "a worker's link, down",
    "--up-mbit": "a worker's link, up",
    "--server-cores": "the server's cores",
    "--slow-share": "the fraction of slow workers",
    "--slow-factor": "the factor by which they are slower",
    "--price-hour": "the price of an hour of the server",
    "--price-gb": "the price of a GB that the server sends",
}


INT8, ROT2, LINK = 1.015, 0.26, 0.534
"""Bytes of a number, as `python -m benchmarks.codecs` prints them."""
LINKS = 7
"""Links of a chain that are kept (`ganns.training.chain.LONGEST`)."""


@dataclass(frozen=True)
class Plan:
    """The settings that the model uses."""

    name: str
    typed: str
    unit_images: int = 64
    result_bytes: float = 4  # of each number
    spares: bool = False  # as many as there are slow workers
    weights_bytes: float = 4  # of each number
    chain: bool = False  # these are a link's, and whole versions are there, too, for those who join


BASE = Plan("gradient", "strategy=gradient strategy.unit_images=64")
PLANS = (
    BASE,
    Plan("gradient, int8", "codec=int8", result_bytes=INT8, weights_bytes=INT8),
    Plan("local_steps", "strategy=local_steps strategy.unit_images=2048", 2048),
    Plan("link=home", "link=home", 2048, ROT2, weights_bytes=LINK, chain=True),
    Plan("link=home, spares", "link=home quorum=spares", 2048, ROT2, True, LINK, chain=True),
)
PRESETS = {
    Plan("link=lan", "link=lan", 1024): (100.0, 100.0),
    Plan("link=home", "link=home", 2048, ROT2, weights_bytes=LINK, chain=True): (50.0, 10.0),
    Plan("link=slow", "link=slow", 8192, ROT2, weights_bytes=LINK, chain=True): (10.0, 1.0),
}
"""The values of `link`, with the link of the workers that each is for: Mbit/s down and up."""
KNOBS = (
    Plan("local_steps", "strategy=local_steps strategy.unit_images=2048", 2048),
    Plan("larger units", "strategy.unit_images=256", 256),
    Plan("codec", "codec=home", result_bytes=ROT2, weights_bytes=LINK, chain=True),
    Plan("spares", "quorum=spares", spares=True),
)


def size(workers: int, plan: Plan, yours: Yours, measured: Measured | None = None) -> dict[str, float]:
    """Return the needs of a class with `workers` workers and one unit each in a round; times in s, links in Mbit/s."""
    found = measured or Measured()
    weights_mb = (NUM_WEIGHTS_G + NUM_WEIGHTS_D) * 4 / MEGA
    result_mb = weights_mb * plan.result_bytes / 4
    fetched_mb = weights_mb * plan.weights_bytes / 4
    slow = math.ceil(workers * yours.slow_share)
    accepted = workers - slow if plan.spares and slow < workers else workers

    compute_s = plan.unit_images * found.compute_s / found.compute_images
    if slow and accepted == workers:  # the slowest decides
        compute_s *= yours.slow_factor
    fetch_s = 8 * max(fetched_mb / yours.down_mbit, workers * fetched_mb / yours.server_mbit)
    upload_s = 8 * max(result_mb / yours.up_mbit, workers * result_mb / yours.server_mbit)
    # A core's time for each unit, and for each MB that goes through PostgreSQL. Both include the clients' part.
    core_s = workers * found.units_cores / found.units_per_s
    core_s += workers * (fetched_mb + result_mb) * found.fetch_s / weights_mb
    round_s = max(fetch_s + compute_s + upload_s, core_s / yours.server_cores) + found.fixed_s

    gb_hour = workers * fetched_mb / 1000 * 3600 / round_s
    state_mb = (3 * (NUM_WEIGHTS_G + NUM_WEIGHTS_D) + NUM_WEIGHTS_G) * 4 / MEGA  # weights, Adam's moments, the average
    if plan.chain:
        state_mb += weights_mb  # the published ones
    versions_mb = 3 * weights_mb + (LINKS + 1) * fetched_mb if plan.chain else 3 * fetched_mb
    transfers = math.ceil(workers * (fetch_s + upload_s) / round_s)  # at the same time, on average
    figures = {
        "round_s": round_s,
        "images_per_s": accepted * plan.unit_images / round_s,
        "out_mbit": 8 * workers * fetched_mb / round_s,
        "in_mbit": 8 * workers * result_mb / round_s,
        "out_gb_hour": gb_hour,
        "connections": workers * WORKER_CONNECTIONS + COORDINATOR_CONNECTIONS,
        "connections_pooled": transfers + COORDINATOR_CONNECTIONS,
        # Three versions (two kept, one being uploaded), two rounds' results (deleted, not yet reused), two checkpoints.
        "database_mb": found.database_mb + versions_mb + 2 * workers * result_mb + 2 * state_mb,
        "server_cores_busy": core_s / round_s,
        "cost_hour": yours.price_hour + yours.price_gb * gb_hour,
    }
    return figures


def gains(workers: int, yours: Yours, measured: Measured | None = None) -> list[tuple[str, str, float]]:
    """Return (name, settings, factor of images/s) of each change made alone, the best first."""
    before = size(workers, BASE, yours, measured)["images_per_s"]
    found = [(knob.name, knob.typed, size(workers, knob, yours, measured)["images_per_s"] / before) for knob in KNOBS]
    return sorted(found, key=lambda one: -one[2])


def shown(value: float) -> str:
    """Return a number with three significant digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def tables(workers: list[int], yours: Yours, measured: Measured | None = None) -> str:
    """Return the tables of docs/howto/sizing.md."""
    columns = {
        "round, s": "round_s",
        "images/s": "images_per_s",
        "out, Mbit/s": "out_mbit",
        "in, Mbit/s": "in_mbit",
        "out, GB an hour": "out_gb_hour",
        "connections": "connections",
        "with a pooler": "connections_pooled",
        "database, MB": "database_mb",
        "server's cores": "server_cores_busy",
    }
    lines = [f"| workers | settings | {' | '.join(columns)} |", "|---|---|" + "---|" * len(columns)]
    for num in workers:
        for plan in PLANS:
            figures = size(num, plan, yours, measured)
            cells = [
                f"{figures[key]:,.0f}" if key.startswith("conn") else shown(figures[key]) for key in columns.values()
            ]
            lines.append(f"| {num:,} | {plan.name} | {' | '.join(cells)} |")
    lines += ["", "| workers | first | then | then | then |", "|---|---|---|---|---|"]
    for num in workers:
        cells = [f"{name}: {shown(gain)}" for name, _, gain in gains(num, yours, measured)]
        lines.append(f"| {num:,} | {' | '.join(cells)} |")
    heads = ("workers", "preset", "down, up, Mbit/s", "round, s", "images/s", "computing", "out, Mbit/s", "in, Mbit/s")
    lines += ["", f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for num in workers:
        for plan, (down, up) in PRESETS.items():
            links = replace(yours, down_mbit=down, up_mbit=up, slow_share=0.0)
            figures = size(num, plan, links, measured)
            computing = plan.unit_images * (measured or Measured()).compute_s / Measured.compute_images
            cells = [shown(figures[key]) for key in ("round_s", "images_per_s")]
            cells += [f"{computing / figures['round_s']:.0%}"]
            cells += [shown(figures[key]) for key in ("out_mbit", "in_mbit")]
            lines.append(f"| {num:,} | {plan.name} | {down:g}, {up:g} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _field(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")


def main() -> None:
    """Compute and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--table", action="store_true", help="first print the tables of docs/howto/sizing.md")
    parser.add_argument("--compute-s", type=float, default=Measured.compute_s, help="a worker's seconds for 64 images")
    for option, help_ in OPTIONS.items():
        parser.add_argument(option, type=float, default=getattr(Yours, _field(option)), help=help_)
    arguments = parser.parse_args()
    yours = Yours(**{_field(option): getattr(arguments, _field(option)) for option in OPTIONS})
    measured = replace(Measured(), compute_s=arguments.compute_s)
    if arguments.table:
        print(tables(arguments.workers, yours, measured))
    found = [
        {"workers": num, "settings": plan.name}
        | {key: round(value, 3) for key, value in size(num, plan, yours, measured).items()}
        for num in arguments.workers
        for plan in PLANS
    ]
    knobs = {
        str(num): {name: round(gain, 3) for name, _, gain in gains(num, yours, measured)} for num in arguments.workers
    }
    print(json.dumps({"sizes": found, "gains": knobs}))


if __name__ == "__main__":
    main()
