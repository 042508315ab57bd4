"""Exercise 2: is the pooled variance that of all values, including the spread between the workers' means?"""

from __future__ import annotations

from pathlib import Path

import torch

from ganns.exercises.learner import LearnersError, Program
from ganns.exercises.report import Report
from ganns.exercises.tensors import require_tensor, show
from ganns.training.seeds import generator

FUNCTION = "pooled"
Values = list[torch.Tensor]  # each worker's values, float64 [count, C]


def check(file: Path, report: Report) -> None:
    """Check a learner's file."""
    program = Program(file)
    with report.part("the mean"):
        _mean(program, report)
    with report.part("workers with similar values"):
        _alike(program, report)
    with report.part("workers with different values"):
        _different(program, report)
    with report.part("workers with different numbers of values"):
        _unequal(program, report)
    with report.part("values far from 0, close to each other"):
        _far_from_zero(program, report)


def _pooled(program: Program, values: Values) -> tuple[torch.Tensor, torch.Tensor]:
    """Call the learner's function with the reports of all workers."""
    found = program.call(
        FUNCTION,
        [len(one) for one in values],
        [one.mean(0).float() for one in values],
        [one.var(0).float() for one in values],
    )
    if not isinstance(found, tuple) or len(found) != 2:
        raise LearnersError(f"{FUNCTION}() should return two tensors, mean and variance, but returned {found!r:.200}.")
    for name, tensor in zip(("mean", "variance"), found, strict=True):
        require_tensor(tensor, values[0][0], f"The {name}", (torch.float32, torch.float64))
    return found


def _mean(program: Program, report: Report) -> None:
    values = [_column(0, 2), _column(3, 5, 10)]
    found, _ = _pooled(program, values)
    if abs(found.item() - 4) < 1e-4:
        report.right("the mean")
    else:
        report.wrong(
            "the mean", f"One worker saw 0, 2; another 3, 5, 10. Expected (0+2+3+5+10)/5 = 4, got {show(found)}."
        )


def _alike(program: Program, report: Report) -> None:
    title = "workers with similar values"
    rng = generator("exercise", 2, "alike")
    values: Values = [torch.randn(1000, 1, generator=rng).double() for _ in range(4)]
    expected = torch.cat(values).var(0)
    _, found = _pooled(program, values)
    if bool(((found - expected).abs() < 0.02 * expected).all()):
        report.right(title, "The starter is also right here. This is why such a bug is found late.")
    else:
        report.wrong(
            title,
            "Four workers saw 1,000 values each, all from one normal distribution with the variance 1.\n"
            f"Expected about {show(expected)}, got {show(found)}.",
        )


def _different(program: Program, report: Report) -> None:
    title = "workers with different values"
    values = [_column(0, 2), _column(10, 12)]
    expected = torch.cat(values).var(0)  # 104 / 3
    _, found = _pooled(program, values)
    if torch.allclose(found.double(), expected, rtol=1e-4):
        report.right(title)
        return
    value = found.item()
    why = ""
    if abs(value - 2) < 1e-3:
        why = (
            "2 is the spread within each worker. It leaves out the distance between the workers' means, 1 and 11.\n"
            "The law of total variance: the variance of all = the mean of the variances + the variance of the means."
        )
    elif abs(value - 26) < 1e-3:
        why = "You divided by all 4 values: the unbiased variance divides by 4 - 1, as each worker's does."
    elif abs(value - 52) < 1e-3:
        why = "You divided by 4 - 2, as for a variance within the workers: of all values it is one mean, so 4 - 1."
    elif abs(value - 25) < 1e-3 or abs(value - 50) < 1e-3 or abs(value - 100 / 3) < 1e-3:
        why = "That is only the spread between the means; the spread within each worker is missing."
    elif abs(value - 27) < 1e-3:
        why = (
            "That is 2 within + 25 between, which is nearly right. But each worker's variance was divided by "
            "count - 1.\nUndo that first, add the sums of squares, and divide once, by (all values - 1)."
        )
    report.wrong(
        title,
        "One worker saw 0, 2 (mean 1, variance 2), another 10, 12 (mean 11, variance 2).\n"
        f"Expected the variance of 0, 2, 10, 12: (36+16+16+36)/3 = {show(expected)}, got {value:g}.\n{why}".rstrip(),
    )


def _unequal(program: Program, report: Report) -> None:
    title = "workers with different numbers of values"
    rng = generator("exercise", 2, "unequal")
    counts = (2, 3, 16, 64)
    values: Values = [
        torch.randn(count, 3, generator=rng).double() + torch.randn(3, generator=rng).double() for count in counts
    ]
    expected = torch.cat(values).var(0)
    _, found = _pooled(program, values)
    if torch.allclose(found.double(), expected, rtol=1e-4):
        report.right(title)
    else:
        report.wrong(
            title,
            f"Four workers saw {', '.join(map(str, counts))} values in 3 channels.\n"
            f"Expected {show(expected)}, the variance of all {sum(counts)}; got {show(found)}.\n"
            "A worker with more values has more weight, also in the spread of the means.",
        )


def _far_from_zero(program: Program, report: Report) -> None:
    title = "values far from 0, close to each other"
    spread = torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None]
    # The means differ, too. If all were one, the digits that float32 loses were the same in all sums, and fell out.
    values: Values = [mean + width * spread for mean, width in ((1000.013, 0.01), (999.981, 0.02), (1000.027, 0.03))]
    expected = torch.cat(values).var(0)
    _, found = _pooled(program, values)
    if torch.allclose(found.double(), expected, rtol=0.05):
        report.right(title)
    else:
        report.wrong(
            title,
            f"Values between 999.96 and 1000.06. Expected the variance {show(expected)}, got {show(found)}.\n"
            "Their squares are near 1,000,000. float32 keeps about 7 digits, so the difference of two such numbers "
            "is noise:\ncompute in float64 (`tensor.double()`), like the units' sums, and return float32 at the end.",
        )


def _column(*values: float) -> torch.Tensor:
    """Return the values of one channel, float64 [count, 1]."""
    return torch.tensor(values, dtype=torch.float64)[:, None]
