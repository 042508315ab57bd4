"""Changes of a replay, as they are typed, and what they do to the recorded rounds."""

from __future__ import annotations

import pytest

from ganns.comparison.change import Change, parse, regrouped
from ganns.config import LocalStepsStrategy
from ganns.errors import ConfigError
from ganns.store.replay import AcceptedUnit, Author, ClosedRound
from ganns.training.plan import Slice
from ganns.training.round_settings import RecordedRound
from tests.support.fakes import tiny

ADA, BOB = Author("ada-1", "ada", "login_1"), Author("bob", "bob", None)


def closed(*authors: Author) -> ClosedRound:
    return ClosedRound(None, {n: AcceptedUnit(Slice(0, 8 * n, 8), author) for n, author in enumerate(authors)})


@pytest.mark.parametrize("name", ["ada-1", "ada", "login_1"])
def test_a_person_is_named_by_worker_label_or_login(name):
    rounds = {3: closed(ADA, BOB), 4: closed(BOB, ADA), 5: closed(ADA, ADA)}
    change = parse([f"without={name}"], drop=True)
    assert [list(one.slices) for one in change.schedule(rounds)] == [[1], [0], []]
    assert change.num_units(rounds) == (4, 6)
    assert [len(one.slices) for one in parse([f"without={name}"]).schedule(rounds)] == [2, 2, 2]


def test_a_change_says_itself():
    assert str(Change()) == "nothing changed"
    words = ["without=ada", "aggregate=median"]
    assert str(parse(words)) == "without ada, aggregate=median"
    assert str(parse(words, drop=True)) == "without ada, whose units are left out, aggregate=median"
    assert str(ADA) == "ada (worker ada-1, login login_1)"
    assert not parse(["without=ada"]).computes_otherwise


def test_settings_become_those_of_the_configuration():
    changed = parse(["aggregate=trimmed_mean", "aggregate.hostile=0.4", "optimizer.lr_g=1e-3", "quorum.units=7"])
    config = changed.config(tiny())
    assert (config.aggregate.name, config.aggregate.hostile) == ("trimmed_mean", 0.4)
    assert (config.optimizer.lr_g, config.quorum.units) == (1e-3, 7)
    assert config.optimizer.lr_d == tiny().optimizer.lr_d
    back = parse(["aggregate=mean"]).config(config)  # `hostile` is no key of it
    assert back.aggregate == tiny().aggregate


@pytest.mark.parametrize(
    ("words", "drop", "said"),
    [
        (["ada"], False, "ada is no change"),
        (["without="], False, "without= is no change"),
        (["seed=3"], False, "seed cannot be changed in a replay"),
        (["strategy.unit_images=4"], False, r"strategy.unit_images cannot be changed"),
        (["aggregate=median"], True, "--drop leaves someone's units out: say whose"),
    ],
)
def test_what_cannot_be_changed_is_refused(words, drop, said):
    with pytest.raises(ConfigError, match=said):
        parse(words, drop=drop)


def test_values_are_checked():
    for words, said in (
        (["optimizer.lr_g=two"], "optimizer.lr_g has a value that cannot be used"),
        (["quorum.units=0"], "quorum.units=0 is out of range"),
        (["aggregate.hostile=0.3"], "aggregate.hostile is a setting of aggregate=trimmed_mean"),
    ):
        with pytest.raises(ConfigError, match=said):
            parse(words).config(tiny())
    with pytest.raises(ConfigError, match=r"optimizer.lr_d cannot be changed: with strategy.per_class each round"):
        parse(["optimizer.lr_d=1e-3"]).config(
            tiny(strategy=LocalStepsStrategy(unit_images=8, micro_batch=4, per_class=True))
        )


def test_another_quorum_has_the_same_slices_in_the_same_order():
    rounds = [RecordedRound(None, {0: Slice(0, 0, 8), 2: Slice(0, 16, 8)}), RecordedRound(None, {1: Slice(0, 8, 8)})]
    assert [one.slices for one in regrouped(rounds, 1)] == [{0: Slice(0, start, 8)} for start in (0, 16, 8)]
    assert [len(one.slices) for one in regrouped(rounds, 2)] == [2, 1]
