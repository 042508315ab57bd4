"""Exercise 5: a solution. The numbers in scaling.csv beside it were measured on two busy processors."""

from __future__ import annotations

import csv
from pathlib import Path


def speedup(seconds_alone: float, seconds_together: float) -> float:
    """Return the speed-up; the same work takes `seconds_alone` with one worker."""
    return seconds_alone / seconds_together


def efficiency(seconds_alone: float, seconds_together: float, num_workers: int) -> float:
    """Return the speed-up as a fraction of the ideal one, `num_workers`: from 0 to 1."""
    return speedup(seconds_alone, seconds_together) / num_workers


def amdahl_fraction(measured_speedup: float, num_workers: int) -> float:
    """Return the fraction of the work that is not divided among workers, from 0 to 1: solve Amdahl's law for s.

    speedup = 1 / (s + (1 - s) / num_workers), for num_workers of at least 2.
    """
    return (1 / measured_speedup - 1 / num_workers) / (1 - 1 / num_workers)


def main() -> None:
    """Print the table of scaling.csv."""
    with Path(__file__).with_name("scaling.csv").open(newline="") as file:
        rows = {int(row["workers"]): float(row["seconds"]) / int(row["rounds"]) for row in csv.DictReader(file)}
    for num_workers, seconds in sorted(rows.items()):
        gain = speedup(rows[1], seconds)
        share = f"{amdahl_fraction(gain, num_workers):.2f}" if num_workers > 1 else "-"
        print(f"{num_workers} workers: {seconds:.3f} s a round, speed-up {gain:.2f},", end=" ")
        print(f"efficiency {efficiency(rows[1], seconds, num_workers):.2f}, not shared {share}")


if __name__ == "__main__":
    main()
