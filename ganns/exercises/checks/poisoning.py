"""Exercise 10: does the attack turn the mean around, and does the rule stay close to the honest gradients?

Hostile gradients are no longer here than honest ones may be, and the hostile machines agree on what they send: no limit
on lengths finds them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch

from ganns.exercises.learner import LearnersError, Program
from ganns.exercises.report import Report
from ganns.exercises.tensors import Tensors, copied, cosine, norm, require_gradients, show
from ganns.exercises.tiny import mean
from ganns.training.seeds import generator

ATTACK, AGGREGATE = "attack", "aggregate"
NUM_UNITS, NUM_HOSTILE = 11, 3
DIRECTION, SHORTEST, LONGEST = 0.85, 0.6, 1.4
"""The smallest cosine to the mean of the honest gradients, and the range of the length as a share of its length."""
NUM_ROUNDS, RATE, LEFT = 40, 0.2, 0.2

Attack = Callable[[list[Tensors]], list[Tensors]]


def check(file: Path, report: Report) -> None:
    """Check a learner's file."""
    program = Program(file)
    for title, part in PARTS.items():
        with report.part(title):
            report.judge(title, part(program))
    with report.part(TRAINING):
        _training(program, report)
    if report.passed:
        _remarks(program, report)


def some(seed: str, num: int) -> list[Tensors]:
    """Return honest gradients: a common part, plus different noise in each, half as large."""
    rng = generator("exercise", 10, seed)
    shapes = {"layer.weight": (20, 10), "layer.bias": (20,)}
    agreed = {name: torch.randn(shape, generator=rng) for name, shape in shapes.items()}
    return [
        {name: agreed[name] + 0.5 * torch.randn(shape, generator=rng) for name, shape in shapes.items()}
        for _ in range(num)
    ]


# ---------------------------------------------------------------------------------------------------- attack


def _limit(honest: list[Tensors]) -> float:
    """Return a limit as the program has one: a multiple of the usual norm."""
    return 3 * _usual(honest)


def _usual(honest: list[Tensors]) -> float:
    return float(torch.tensor([norm(one) for one in honest]).median())


def _attack(program: Program, honest: list[Tensors], limit: float) -> list[Tensors]:
    """Call the learner's attack.

    Raises:
        LearnersError: if what it returns is not `NUM_HOSTILE` gradients within the limit.
    """
    found = program.call(ATTACK, honest, NUM_HOSTILE, limit)
    if not isinstance(found, list) or len(found) != NUM_HOSTILE:
        what = f"{len(found)} of them" if isinstance(found, list) else f"a {type(found).__name__}"
        raise LearnersError(f"{ATTACK}() should return a list of {NUM_HOSTILE} gradients, but returned {what}.")
    for one in found:
        length = norm(require_gradients(one, honest[0], ATTACK))
        if not length <= limit * 1.0001:
            raise LearnersError(
                f"A gradient of {ATTACK}() has the norm {length:.4g}, but the limit is {limit:.4g}: it is refused, and "
                "has no effect.\nThe norm is the root of the sum of all squares, over all tensors of the gradient."
            )
    return found


def _backwards(program: Program) -> str:
    honest = some("attack", NUM_UNITS - NUM_HOSTILE)
    limit, right = _limit(honest), mean(honest)
    every = mean([*honest, *_attack(program, [copied(one) for one in honest], limit)])
    if (found := cosine(every, right)) < 0:
        return ""
    along = sum(float((every[name].double() * right[name].double()).sum()) for name in right) / norm(right) ** 2
    reason = (
        "Reverse the direction in which the honest ones agree, their mean, and be as long as the limit allows: noise "
        "and short\ngradients only weaken it."
    )
    return (
        f"{NUM_UNITS - NUM_HOSTILE} honest gradients and your {NUM_HOSTILE}. The mean of all should point away from "
        f"that of the honest ones:\nexpected a cosine below 0, got {found:.2f}. Along the honest mean, {along:.2f} of "
        f"its length is left.\n{reason}"
    )


def _attack_unchanged(program: Program) -> str:
    honest = some("attack", NUM_UNITS - NUM_HOSTILE)
    before = [copied(one) for one in honest]
    _attack(program, honest, _limit(honest))
    return _changed(honest, before)


def _changed(given: list[Tensors], before: list[Tensors]) -> str:
    for unit, (one, old) in enumerate(zip(given, before, strict=True)):
        if not all(torch.equal(one[name], tensor) for name, tensor in old.items()):
            return f"The call changed gradient {unit} of 0 to {len(given) - 1}: make new tensors."
    return ""


# -------------------------------------------------------------------------------------------------- aggregate


def _aggregate(program: Program, gradients: list[Tensors], num_hostile: int = NUM_HOSTILE) -> Tensors:
    """Call the learner's rule with a copy of the gradients."""
    given = [copied(one) for one in gradients]
    return require_gradients(program.call(AGGREGATE, given, num_hostile), gradients[0], AGGREGATE)


def _far_from(found: Tensors, honest: Tensors) -> str:
    """Return the problem if a result is far from the mean of honest gradients, or "" if it is close."""
    size, expected = norm(found), norm(honest)
    if not math.isfinite(size):
        return "The result has a number that is not finite (NaN or infinity): the mean of no values?"
    if (agreement := cosine(found, honest)) < DIRECTION:
        return (
            f"The cosine to the mean of the honest ones is {agreement:.2f}, expected at least {DIRECTION}: the result "
            "has another direction."
        )
    if not SHORTEST <= size / expected <= LONGEST:
        how = "short: the hostile ones pull it back" if size < expected else "long"
        return (
            f"The norm is {size:.3g}, that of the mean of the honest ones {expected:.3g}; expected {SHORTEST} to "
            f"{LONGEST} times that: too {how}."
        )
    return ""


def _equal(program: Program) -> str:
    same = {"w": torch.tensor([1.0, -2.0, 3.0])}
    found = _aggregate(program, [same] * NUM_UNITS)["w"]
    if torch.allclose(found, same["w"], rtol=1e-3):
        return ""
    return f"{NUM_UNITS} times the gradient {show(same['w'])}. Expected the same, got {show(found)}."


def _nobody(program: Program) -> str:
    gradients = some("nobody", NUM_UNITS)
    problem = _far_from(_aggregate(program, gradients), mean(gradients))
    return problem and f"Nobody is hostile here, though {NUM_HOSTILE} might be. {problem}"


def _under(program: Program, what: str, attack: Attack, places: tuple[int, ...], num: int = NUM_UNITS) -> str:
    """Return the problem of the rule, if the machines at these places are hostile."""
    honest = some(what, num - len(places))
    lies = attack(honest)
    gradients = list(honest)
    for place, lie in zip(places, lies, strict=False):
        gradients.insert(place, lie)
    problem = _far_from(_aggregate(program, gradients, len(places)), mean(honest))
    where = f"Of units 0 to {num - 1}, {', '.join(map(str, places))}"
    return problem and f"{where} {what}. {problem}"


def _times(factor: float) -> Attack:
    """Return an attack: the mean of the honest ones times a factor, at their usual length; the same from everybody."""

    def attack(honest: list[Tensors]) -> list[Tensors]:
        right = mean(honest)
        scale = factor * _usual(honest) / norm(right)
        return [{name: scale * tensor for name, tensor in right.items()} for _ in range(NUM_HOSTILE)]

    return attack


def _noise(honest: list[Tensors]) -> list[Tensors]:
    rng = generator("exercise", 10, "noise")
    return [
        {name: 10 * torch.randn(tensor.shape, generator=rng) for name, tensor in honest[0].items()}
        for _ in range(NUM_HOSTILE)
    ]


def _spike(honest: list[Tensors]) -> list[Tensors]:
    lie = mean(honest)
    lie["layer.weight"][3, 4] += 5 * norm(lie)
    return [copied(lie) for _ in range(NUM_HOSTILE)]


def _hiding(honest: list[Tensors]) -> list[Tensors]:
    """Return a lie so long that the mean is nearer to the two others than to the honest ones."""
    return [*_times(-50)(honest)[:1], *_times(-1)(honest)[:2]]


def _order(program: Program) -> str:
    gradients = [*some("order", NUM_UNITS - NUM_HOSTILE), *_noise(some("order", 1))]
    results = [_aggregate(program, order) for order in (gradients, gradients[::-1])]
    if all(torch.allclose(results[0][name], results[1][name], rtol=1e-3, atol=1e-4) for name in results[0]):
        return ""
    return (
        "The same gradients in the opposite order give another result: "
        f"{show(results[0]['layer.bias'])} and {show(results[1]['layer.bias'])}.\nThe rule may not depend on where the "
        "hostile ones stand: they could choose their place."
    )


def _few(program: Program) -> str:
    return _under(program, "sends the opposite", _times(-1), (2,), num=5) or _under(
        program, "send the opposite", _times(-1), (0, 5), num=7
    )


def _unchanged(program: Program) -> str:
    gradients = some("unchanged", NUM_UNITS)
    before = [copied(one) for one in gradients]
    program.call(AGGREGATE, gradients, NUM_HOSTILE)
    return _changed(gradients, before)


PARTS: dict[str, Callable[[Program], str]] = {
    "attack: the mean points backwards": _backwards,
    "attack: the honest gradients stay as they were": _attack_unchanged,
    "aggregate: equal gradients give that gradient": _equal,
    "aggregate: nobody is hostile": _nobody,
    "aggregate: three send the opposite, as long as an honest gradient": lambda program: _under(
        program, "send the opposite of the mean, as long as an honest gradient", _times(-1), (0, 1, 2)
    ),
    "aggregate: three send a long step backwards": lambda program: _under(
        program, "send the opposite of the mean, three times as long as an honest gradient", _times(-3), (8, 9, 10)
    ),
    "aggregate: three send a step that is too long": lambda program: _under(
        program, "send the mean, three times as long as an honest gradient", _times(3), (1, 5, 9)
    ),
    "aggregate: three send noise": lambda program: _under(program, "send noise, ten times as long", _noise, (0, 4, 10)),
    "aggregate: three lie about one number": lambda program: _under(
        program, "send the mean, but one number is far too large", _spike, (3, 4, 5)
    ),
    "aggregate: one long lie hides two": lambda program: _under(
        program, "send the opposite of the mean, one of them 50 times as long", _hiding, (2, 6, 7)
    ),
    "aggregate: one of five, two of seven": _few,
    "aggregate: the order does not count": _order,
    "aggregate: the gradients stay as they were": _unchanged,
}
TRAINING = "the training goes on, although three lie in every round"


def _training(program: Program, report: Report) -> None:
    start, mine, plain = 10.0, _train(lambda some: _aggregate(program, some)), _train(mean)
    numbers = (
        f"{NUM_ROUNDS} steps of {NUM_UNITS} units, of which {NUM_HOSTILE} send a step backwards. Distance from the "
        f"best weights: {start:g} before,\n{mine:.2g} afterwards with your rule, {plain:.3g} with the plain mean."
    )
    if mine <= LEFT * start:
        report.right(TRAINING, numbers)
    else:
        report.wrong(TRAINING, f"{numbers} Expected at most {LEFT * start:g}.")


def _train(rule: Callable[[list[Tensors]], Tensors]) -> float:
    """Return the distance from the minimum of |w - best|^2 / 2 afterwards, with noisy gradients and three liars."""
    rng = generator("exercise", 10, "training")
    away = torch.randn(50, generator=rng)
    away *= 10 / away.norm()
    for number in range(NUM_ROUNDS):
        honest = [{"w": away + 0.5 * torch.randn(50, generator=rng)} for _ in range(NUM_UNITS - NUM_HOSTILE)]
        lies = [{"w": -3 * mean(honest)["w"]} for _ in range(NUM_HOSTILE)]
        place = number % (NUM_UNITS - NUM_HOSTILE)
        away = away - RATE * rule([*honest[:place], *lies, *honest[place:]])["w"]
    return float(away.norm())


def _remarks(program: Program, report: Report) -> None:
    """Say what the rule does with the learner's own attack, and with one that no rule over results finds."""
    honest = some("remarks", NUM_UNITS - NUM_HOSTILE)
    right = mean(honest)
    attacks = {"your own attack": _attack(program, [copied(one) for one in honest], _limit(honest))}
    spread = {name: torch.stack([one[name] for one in honest]).std(0) for name in right}
    attacks['"a little is enough": the mean minus 1.5 deviations of each number'] = [
        {name: right[name] - 1.5 * spread[name] for name in right} for _ in range(NUM_HOSTILE)
    ]
    for what, lies in attacks.items():
        found = _aggregate(program, [*lies, *honest])
        report.remark(
            what,
            f"The cosine of your rule's result to the mean of the honest ones is {cosine(found, right):.2f}; its norm "
            f"is {norm(found) / norm(right):.2f} of theirs.",
        )
