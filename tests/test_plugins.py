"""Plug-ins: found by name, refused with a reason, and told whether they are right."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ganns import plugins
from ganns.cli.app import app
from ganns.config import (
    AggregateConfig,
    Config,
    GradientStrategy,
    ModelConfig,
    NonSaturatingLoss,
    PluginData,
    StopConfig,
)
from ganns.data import ImageSet, open_images
from ganns.data.sources.source import Origin
from ganns.errors import ConfigError, PluginError
from ganns.launch.compose import compose, run
from ganns.testing import check_aggregate, check_data, check_loss, report
from ganns.training.aggregation import Mean, Median, Rule, build_rule
from ganns.training.losses import Loss, build_loss
from ganns.training.solo import train_solo
from ganns.training.state import TrainingState
from ganns.utils.checks import PROBLEM
from tasks.run_cache import CachedRun
from tests.support.plugin import EXAMPLE, announce, announce_example

SMALL = Config(
    model=ModelConfig("residual", image_size=32, latent_dim=8, features_g=4, features_d=4, options="blocks=1"),
    data=PluginData(name="discs", count=48, holdout=8),
    loss=NonSaturatingLoss(name="least_squares"),
    aggregate=AggregateConfig(name="trimmed"),
    strategy=GradientStrategy(unit_images=8, micro_batch=8),
    stop=StopConfig(rounds=2),
)
DISCS = PluginData(name="discs", count=48, holdout=8)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that Python finds packages in."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    plugins.load.cache_clear()
    yield folder
    plugins.load.cache_clear()
    for name in [name for name in sys.modules if name.startswith(("ganns_example", "broken_plugin"))]:
        del sys.modules[name]


@pytest.fixture
def example(site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    announce_example(site)
    return site


# --------------------------------------------------------------------------------------------- finding them


def test_a_run_uses_one_plug_in_of_each_kind(example: Path) -> None:
    state = TrainingState(SMALL)
    images = open_images(SMALL.data, 32)
    rounds = list(train_solo(SMALL, images, state))
    assert state.progress.version == 2
    assert all(np.isfinite(list(one.values())).all() for one in rounds)
    by_mean = TrainingState(replace(SMALL, aggregate=AggregateConfig()))
    list(train_solo(by_mean.config, images, by_mean))
    assert by_mean.weights_digest() != state.weights_digest()


def test_a_name_that_is_not_there_is_answered_with_what_is(example: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^loss\.name=least_square is not known: built in are .*, and plug-ins .* lea"
    ):
        compose(["loss.name=least_square"])
    with pytest.raises(ConfigError, match=r"did you mean trimmed\?$"):
        run(["aggregate.name=tri-mmed"], lambda config: None, "solo")
    with pytest.raises(ConfigError, match=r"write aggregate\.name=trimmed\.$"):
        compose(["aggregate=trimmed"])
    assert compose(["data.name=discs"]).data.name == "discs"


def test_without_plug_ins_the_answer_says_so(site: Path) -> None:
    with pytest.raises(PluginError, match="no plug-in for it is installed here"):
        build_rule(AggregateConfig(name="trimmed"))


def test_built_in_names_are_never_looked_up(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    announce(site, "greedy", "1.0", {"ganns.aggregate": {"mean": "greedy:Mine"}})
    assert isinstance(build_rule(AggregateConfig()), Mean)
    monkeypatch.setattr(plugins, "entry_points", None)  # a look-up of plug-ins fails
    build_rule(AggregateConfig())
    build_loss(NonSaturatingLoss())
    assert plugins.packages(Config()) == {}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import a_missing_module", "ModuleNotFoundError: No module named 'a_missing_module'"),
        ("1 / 0", "ZeroDivisionError"),
        ("Wild = 3", "is no subclass of ganns.training.rule.Rule"),
        ("", "has no attribute 'Wild'"),
    ],
)
def test_a_plug_in_that_is_broken_is_named(site: Path, code: str, reason: str) -> None:
    (site / "broken_plugin.py").write_text(code + "\n", "utf-8")
    announce(site, "broken", "2.0", {"ganns.aggregate": {"wild": "broken_plugin:Wild"}})
    with pytest.raises(PluginError, match=r"aggregate\.name=wild: .*broken_plugin:Wild") as caught:
        build_rule(AggregateConfig(name="wild"))
    assert reason in str(caught.value)


def test_two_packages_with_one_name_are_refused(example: Path) -> None:
    announce(example, "rival", "3.0", {"ganns.aggregate": {"trimmed": "rival:Trimmed"}})
    with pytest.raises(PluginError, match=r"ganns-example==0\.1\.0 and rival==3\.0: uninstall one"):
        build_rule(AggregateConfig(name="trimmed"))


def test_a_data_set_that_returns_something_else_is_refused(site: Path) -> None:
    (site / "broken_plugin.py").write_text("def images(data, size):\n    return [1]\n", "utf-8")
    announce(site, "broken", "2.0", {"ganns.data": {"odd": "broken_plugin:images"}})
    with pytest.raises(PluginError, match="returned list instead"):
        open_images(PluginData(name="odd"), 32)


# -------------------------------------------------------------------------------------- the same everywhere


def test_a_run_says_which_packages_it_was_made_with(example: Path) -> None:
    package = "ganns-example==0.1.0"
    assert plugins.packages(SMALL) == {"aggregate": package, "loss": package, "data": package, "model": package}


def test_a_worker_needs_the_loss_and_the_data_in_the_run_s_version(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = dict.fromkeys(plugins.GROUPS, "ganns-example==0.1.0")
    config = replace(SMALL, plugins=wanted)
    with pytest.raises(PluginError, match=r"a plug-in of ganns-example==0\.1\.0, and this machine has no such plug-in"):
        plugins.check_packages(config, plugins.WORKER)
    monkeypatch.syspath_prepend(str(EXAMPLE))
    announce_example(site, "0.2.0")
    with pytest.raises(PluginError, match=r"this machine has ganns-example==0\.2\.0\. Install that version"):
        plugins.check_packages(config, plugins.WORKER)
    plugins.check_packages(replace(config, plugins={"aggregate": wanted["aggregate"]}), plugins.WORKER)


def test_a_run_is_not_cached_without_them(site: Path) -> None:
    from ganns.config import to_dict
    from ganns.store.worker_api import RunInfo

    info = RunInfo(to_dict(replace(SMALL, plugins={"loss": "ganns-example==0.1.0"})), "x", 48, "y")
    with pytest.raises(PluginError, match="Install that version"):
        CachedRun(1, info, torch.device("cpu"))


# ------------------------------------------------------------------------------------------ the new rule


def test_the_median_by_hand() -> None:
    def median(*values: float) -> float:
        rule = Median(AggregateConfig(name="median"))
        for value in values:
            rule.add({"w": torch.tensor([value])}, 8)
        return rule.combine()["w"].item()

    assert median(5.0, 1.0, 1e9) == 5.0
    assert median(4.0, 1.0, 2.0, 1e9) == 3.0
    assert median(7.0) == 7.0


def test_one_wild_result_does_not_move_the_median_far() -> None:
    honest = [torch.randn(50, generator=torch.Generator().manual_seed(k)) for k in range(4)]
    rule = Median(AggregateConfig(name="median"))
    for gradient in [*honest, torch.full((50,), 1e12)]:
        rule.add({"w": gradient}, 8)
    assert bool((rule.combine()["w"] <= torch.stack(honest).max(0).values).all())


# ------------------------------------------------------------------------------------------- is it right?


@pytest.mark.parametrize("rule", [Mean, Median])
def test_the_built_in_rules_are_right(rule: type[Rule]) -> None:
    report(check_aggregate(rule))


def problems(findings: list) -> str:
    return "; ".join(f"{one.subject}: {one.said}" for one in findings if one.state == PROBLEM)


class Changing(Mean):
    def add(self, gradients, num_images):
        for gradient in gradients.values():
            gradient.mul_(num_images)
        super().add(gradients, 1)


class Summing(Mean):
    def combine(self):
        return self.sums


class First(Mean):
    def add(self, gradients, num_images):
        if not self.num_images:
            super().add(gradients, num_images)


class Random(Mean):
    def combine(self):
        return {name: value + 0.001 * torch.randn_like(value) for name, value in super().combine().items()}


class Double(Mean):
    def combine(self):
        return {name: value.double() for name, value in super().combine().items()}


class Crashing(Mean):
    def combine(self):
        raise ValueError("no idea")


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        (Changing, "does not change its arguments"),
        (Summing, "equal results give that result"),
        (First, "which unit had which number"),
        (Random, "bit for bit"),
        (Double, "names, shapes and dtype"),
        (Crashing, "ValueError: no idea"),
    ],
)
def test_a_wrong_rule_is_found_out(rule: type[Rule], found: str) -> None:
    assert found in problems(check_aggregate(rule))
    with pytest.raises(AssertionError, match=found):
        report(check_aggregate(rule))


class Swapped(Loss):
    def real(self, logits):
        return logits.mean()

    def fake(self, logits):
        return -logits.mean()

    def generator(self, logits):
        return -logits.mean()


class Sums(Loss):
    def real(self, logits):
        return -logits.sum()

    def fake(self, logits):
        return logits.sum()

    def generator(self, logits):
        return -logits.sum()


class Detached(Swapped):
    def generator(self, logits):
        return -logits.detach().mean()


@pytest.mark.parametrize(
    ("loss", "found"),
    [(Swapped, "D is moved to tell"), (Sums, "use a mean"), (Detached, "differentiable: False")],
)
def test_a_wrong_loss_is_found_out(loss: type[Loss], found: str) -> None:
    assert found in problems(check_loss(loss))


def images(pixels: np.ndarray, fingerprint: str = "x") -> ImageSet:
    return ImageSet(pixels, Origin("mine", 10, fingerprint, "ask me"))


def noise(data: PluginData, size: int) -> np.ndarray:
    return np.random.RandomState(data.seed).randint(0, 256, (20, 3, 64, 64))[:, :, :size, :size].astype(np.uint8)


@pytest.mark.parametrize(
    ("open_", "found"),
    [
        (lambda data, size: images(noise(data, size)), "another data.seed gives other images with the same"),
        (lambda data, size: images(noise(data, size), f"{data.seed} {size}"), "the size must not matter"),
        (lambda data, size: images(noise(data, size) / 255), "were they scaled to 0..1"),
        (lambda data, size: images(noise(data, size) * 2.0, str(data.seed)), "pixels must be uint8"),
        (lambda data, size: images(noise(data, 32), str(data.seed)), "at 64 it gave"),
        (lambda data, size: images(noise(data, size) * 0, str(data.seed)), "all values are between"),
        (
            lambda data, size: images(np.random.default_rng().integers(0, 256, (20, 3, size, size)), str(data.seed)),
            "opened twice it has other images",
        ),
    ],
)
def test_a_wrong_data_set_is_found_out(open_, found: str) -> None:
    assert found in problems(check_data(open_, DISCS))


def test_the_command_says_what_is_right_and_what_is_wrong(example: Path) -> None:
    runner = CliRunner()
    listed = runner.invoke(app, ["plugin", "list"]).output
    assert "data.name=discs: ganns-example==0.1.0, ganns_example.discs:discs" in listed
    assert "model.name=residual: ganns-example==0.1.0, ganns_example.residual:Residual" in listed
    assert "observers=wandb: ganns-example==0.1.0, ganns_example.weights_and_biases:WeightsAndBiases" in listed
    for name in ("trimmed", "least_squares", "discs", "residual", "median"):
        done = runner.invoke(app, ["plugin", "check", name])
        assert done.exit_code == 0, done.output
        assert "ok  " in done.output
    (example / "broken_plugin.py").write_text(
        "from ganns.training.aggregation import Mean\n"
        "class Wild(Mean):\n    def combine(self):\n        return self.sums\n",
        "utf-8",
    )
    announce(example, "broken", "2.0", {"ganns.aggregate": {"wild": "broken_plugin:Wild"}})
    done = runner.invoke(app, ["plugin", "check", "wild"])
    assert done.exit_code == 1
    assert "WRONG equal results give that result" in done.output
    assert isinstance(runner.invoke(app, ["plugin", "check", "discz"]).exception, ConfigError)
