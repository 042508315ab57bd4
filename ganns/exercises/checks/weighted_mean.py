"""Exercise 1: is the result the mean over images, with the same bits for any order of arrival?"""

from __future__ import annotations

from pathlib import Path

import torch

from ganns.exercises.learner import Program
from ganns.exercises.report import Report
from ganns.exercises.tensors import Tensors, copied, require_gradients, show
from ganns.training.aggregation import Accumulator
from ganns.training.seeds import generator
from ganns.training.unit import Part

Results = list[tuple[int, int, Tensors]]
FUNCTION = "weighted_mean"


def check(file: Path, report: Report) -> None:
    """Check a learner's file."""
    program = Program(file)
    with report.part("one unit: its own gradient"):
        _one_unit(program, report)
    with report.part("an image counts the same in a small unit and in a large one"):
        _weights(program, report)
    with report.part("it is the gradient of the whole batch"):
        _whole_batch(program, report)
    with report.part("the same bits, in whatever order results arrive"):
        _order(program, report)
    with report.part("the results stay as they were"):
        _unchanged(program, report)


def _mean(program: Program, results: Results) -> Tensors:
    """Call the learner's function with a copy of the results."""
    given = [(unit, num, copied(gradients)) for unit, num, gradients in results]
    return require_gradients(program.call(FUNCTION, given), results[0][2], FUNCTION)


def _one_unit(program: Program, report: Report) -> None:
    results: Results = [(0, 5, {"weight": torch.tensor([[1.0, -2.0]]), "bias": torch.tensor([0.5])})]
    found = _mean(program, results)
    for name, expected in results[0][2].items():
        if not torch.allclose(found[name], expected):
            report.wrong(
                "one unit: its own gradient",
                f"One unit of 5 images. Expected {name} = {show(expected)}, its own mean; got {show(found[name])}.",
            )
            return
    report.right("one unit: its own gradient")


def _weights(program: Program, report: Report) -> None:
    title = "an image counts the same in a small unit and in a large one"
    found = _mean(program, [(0, 1, {"w": torch.tensor([0.0])}), (1, 3, {"w": torch.tensor([4.0])})])["w"].item()
    if abs(found - 3) < 1e-5:
        report.right(title)
        return
    reasons = {
        2: "That is the mean of the two units. It gives the one image of the first the weight of three of the second.",
        12: "That is the sum over images; divide it by the number of images.",
        6: "Each unit is weighted by its images, but the sum is divided by the number of units: divide by the images.",
        4: "Either it is the sum of the two gradients, without weights and without a division, or you divided by the "
        "images of the last unit alone.",
        1: "Either the weights are exchanged, or the sum of both gradients is divided by the images.",
    }
    why = next((text for value, text in reasons.items() if abs(found - value) < 1e-5), "")
    report.wrong(
        title,
        "A unit of 1 image with the gradient 0, and one of 3 images with the gradient 4.\n"
        f"Expected (1*0 + 3*4) / 4 = 3, got {found:g}.\n{why}".rstrip(),
    )


def _whole_batch(program: Program, report: Report) -> None:
    """Compare the gradient of a mean loss over 10 samples with the one from units of 2, 3 and 5."""
    title = "it is the gradient of the whole batch"
    rng = generator("exercise", 1, "batch")
    inputs, targets = torch.randn(10, 3, generator=rng), torch.randn(10, generator=rng)
    weight = torch.randn(3, generator=rng).requires_grad_()

    def gradient(start: int, end: int) -> Tensors:
        loss = (inputs[start:end] @ weight - targets[start:end]).square().mean()
        return {"weight": torch.autograd.grad(loss, weight)[0]}

    expected = gradient(0, 10)["weight"]
    found = _mean(program, [(0, 2, gradient(0, 2)), (1, 3, gradient(2, 5)), (2, 5, gradient(5, 10))])["weight"]
    if torch.allclose(found, expected, rtol=1e-4, atol=1e-5):
        report.right(title)
    else:
        report.wrong(
            title,
            "A mean loss over 10 samples, computed in units of 2, 3 and 5.\n"
            f"Expected {show(expected)}, as one machine computes on all ten; got {show(found)}.",
        )


def _order(program: Program, report: Report) -> None:
    title = "the same bits, in whatever order results arrive"
    results = many_results()
    in_order = _mean(program, results)["w"]
    for shuffled in (results[::-1], results[1:] + results[:1], results[::2] + results[1::2]):
        found = _mean(program, shuffled)["w"]
        if not torch.equal(found, in_order):
            place = int((found != in_order).nonzero()[0])
            arrived = ", ".join(str(unit) for unit, _, _ in shuffled)
            report.wrong(
                title,
                f"Eight units. Number {place} of the mean is {in_order[place].item():.9g} when they arrive in unit "
                f"order, but {found[place].item():.9g} when they arrive as {arrived}.\n"
                f"{int((found != in_order).sum())} of {len(found)} numbers differ. In floating point, (a + b) + c is "
                "not a + (b + c): add in the order of the units' numbers.",
            )
            return
    report.right(title)
    ours = Accumulator()
    for _, num, gradients in results:
        ours.add(Part(gradients, {}), num)
    num_different = int((ours.combine()["w"] != in_order).sum())
    if num_different:
        report.remark(
            f"{num_different} of {len(in_order)} numbers differ in their last bits from the numbers of ganns",
            "Both are right. It multiplies and adds in one step, with one rounding. All workers of a class must do "
            "the same.",
        )
    else:
        report.remark("bit for bit the numbers of ganns")


def many_results() -> Results:
    """Return eight results in unit order, of different sizes, with 1,000 numbers each."""
    rng = generator("exercise", 1, "order")
    return [(unit, 3 + 5 * unit % 7, {"w": torch.randn(1000, generator=rng)}) for unit in range(8)]


def _unchanged(program: Program, report: Report) -> None:
    title = "the results stay as they were"
    given: Results = [(0, 2, {"w": torch.tensor([1.0])}), (1, 2, {"w": torch.tensor([5.0])})]
    program.call(FUNCTION, given)
    found = [gradients["w"].item() for _, _, gradients in given]
    if found == [1.0, 5.0]:
        report.right(title)
    else:
        report.wrong(
            title,
            f"Two results, 1 and 5; after the call they are {found[0]:g} and {found[1]:g}.\nAn operation in place "
            "(`+=`, `add_`) on a tensor of a result changes that result: begin with a new tensor.",
        )
