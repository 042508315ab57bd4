"""`ganns train`: Hydra composes, one sentence answers a mistake, and the coordinator gets a `Config`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganns.config import Config
from ganns.errors import ConfigError, RunError
from ganns.launch import compose, sweep_together
from ganns.launch.launcher import TogetherLauncher
from ganns.launch.sweep import Point, PointResult


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[Config]]:
    """The configurations that would have been trained; in an empty folder, with logging put back."""
    configs: list[Config] = []
    monkeypatch.setattr(compose, "train", configs.append)
    monkeypatch.chdir(tmp_path)
    handlers, level = logging.root.handlers[:], logging.root.level
    yield configs
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def test_overrides_reach_the_coordinator(trained: list[Config], tmp_path: Path) -> None:
    assert compose.run(["experiment=smoke", "seed=7", "strategy.unit_images=16", "resume=12"]) == 0
    [config] = trained
    assert (config.name, config.seed, config.model.image_size) == ("smoke", 7, 32)
    assert config.strategy.micro_batch == 16
    assert config.resume == "12"
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]


def test_a_resumed_run_has_its_own_options(trained: list[Config]) -> None:
    """`train_run` refuses the key: it decides what the run's versions are."""
    assert compose.run(["resume=12", "data.path=/faces"]) == 0
    assert trained[0].resume == "12"


@pytest.fixture
def swept(trained: list[Config], monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[Point], int]]:
    """The sweeps that would have been trained: their points, and how many at once."""
    sweeps: list[tuple[list[Point], int]] = []

    def train(points: list[Point], num: int) -> list[PointResult]:
        sweeps.append((points, num))
        return [
            PointResult(one, "failed" if one.config.seed == 13 else "finished", reason="injected") for one in points
        ]

    monkeypatch.setattr(sweep_together, "train_points", train)
    return sweeps


def test_a_sweep_composes_all_points_and_trains_them_together(swept: list, tmp_path: Path) -> None:
    assert compose.run(["-m", "experiment=smoke", "seed=1,2", "codec=fp16,fp32"]) == 0
    [(points, num_at_once)] = swept
    assert [(one.config.seed, one.config.codec.name) for one in points] == [
        (1, "fp16"), (1, "fp32"), (2, "fp16"), (2, "fp32")
    ]  # fmt: skip
    assert [one.number for one in points] == [0, 1, 2, 3]
    assert num_at_once == 4
    assert points[3].typed == ("experiment", "seed", "codec")
    assert points[3].folder.name == "3"
    assert points[3].folder.is_relative_to("outputs/sweeps")


def test_a_failed_point_is_one_sentence_after_the_others_were_trained(swept: list, capfd: pytest.CaptureFixture[str]):
    with pytest.raises(RunError, match=r"1 of 3 points failed; \[1\]: injected"):
        compose.run(["-m", "experiment=smoke", "seed=1,13,2"])
    assert len(swept[0][0]) == 3
    assert "Error executing job" not in capfd.readouterr().err  # Hydra's own line


def test_the_launcher_returns_each_points_own_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a sweeper of Hydra sees it, which is what `launch` returns; only the training is not real."""
    distances = {1: 7.5, 3: None}

    def train(points: list[Point], num_at_once: int) -> list[PointResult]:
        return [
            PointResult(one, "finished", 1, distance=distances[one.config.seed])
            if one.config.seed in distances
            else PointResult(one, "failed", reason=f"seed {one.config.seed} is injected")
            for one in points
        ]

    launch, returned = TogetherLauncher.launch, []

    def note(self: TogetherLauncher, job_overrides: list[list[str]], initial_job_idx: int) -> object:
        returned.extend(launch(self, job_overrides, initial_job_idx))
        return returned

    monkeypatch.setattr(sweep_together, "train_points", train)
    monkeypatch.setattr(TogetherLauncher, "launch", note)
    with pytest.raises(RunError, match=r"2 of 4 points failed; \[1\]: seed 13 is injected"):
        compose.run(["-m", "experiment=smoke", "seed=1,13,3,14"])
    assert [returned[number].return_value for number in (0, 2)] == [7.5, None]
    for number, seed in ((1, 13), (3, 14)):
        with pytest.raises(RunError, match=rf"2 of 4 points failed; \[{number}\]: seed {seed} is injected"):
            _ = returned[number].return_value


def test_a_sweep_over_strategies_gives_each_point_its_own_keys(swept: list, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compose.run(["-m", "experiment=demo", "strategy=gradient,local_steps", "data.count=8,9"]) == 0
    [(points, _)] = swept
    assert [type(one.config.strategy).__name__ for one in points] == [
        *("GradientStrategy", "GradientStrategy", "LocalStepsStrategy", "LocalStepsStrategy")
    ]
    assert [one.config.data.count for one in points] == [8, 9, 8, 9]
    assert points[0].typed == ("experiment", "strategy", "data.count")
    with pytest.raises(ConfigError, match=r"^strategy\.outer_lr is a setting of strategy=local_steps"):
        compose.run(["-m", "strategy=gradient,local_steps", "strategy.outer_lr=0.7"])


def test_how_many_are_trained_at_once_is_a_setting(swept: list) -> None:
    assert compose.run(["-m", "seed=1,2", "hydra.launcher.n_jobs=2"]) == 0
    assert swept[0][1] == 2
    with pytest.raises(ConfigError, match=r"^hydra\.launcher\.n_jobs=0 is out of range"):
        compose.run(["-m", "seed=1,2", "hydra.launcher.n_jobs=0"])


def test_flags_may_stand_between_settings(swept: list) -> None:
    assert compose.run(["experiment=smoke", "-m", "seed=1,2"]) == 0
    assert [one.config.seed for one in swept[0][0]] == [1, 2]


def test_a_mistake_in_the_last_point_is_found_before_the_first_is_trained(
    swept: list, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=r"^quorum\.units=0 is out of range"):
        compose.run(["-m", "quorum.units=1,2,0"])
    assert swept == []
    assert "Error executing job" not in capsys.readouterr().err


def test_solo_trains_one_point_after_the_other(trained: list[Config]) -> None:
    assert compose.run(["-m", "experiment=smoke", "seed=1,2"], action=trained.append, command="solo") == 0
    assert [config.seed for config in trained] == [1, 2]


def test_what_the_coordinator_raises_comes_out_as_it_is(
    trained: list[Config], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(config: Config) -> None:
        raise RunError("There is no run 3: `ganns runs` lists them.")

    monkeypatch.setattr(compose, "train", fail)
    with pytest.raises(RunError, match="no run 3"):
        compose.run(["resume=3"])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["optimizer.lrg=1"], r"^optimizer\.lrg is not a setting; did you mean optimizer\.lr_g\?$"),
        (["+optimizer.lrg=1"], r"^optimizer\.lrg is not a setting; did you mean optimizer\.lr_g\?$"),
        (["modle=dcgan32"], r"^modle is not a setting; did you mean model\?$"),
        (
            ["codec=fp61"],
            r"^codec=fp61 does not exist: choose auto or fp16 or fp32 or home or int8; did you mean fp16\?$",
        ),
        (["experiment=dmo"], r"^experiment=dmo does not exist: choose .*demo.*; did you mean demo\?$"),
        (["stop.rounds=soon"], r"^stop\.rounds has a value that cannot be used: .*'soon'"),
        (["--stop.epochs", "3"], r"^--stop\.epochs is not an option of `ganns train`: write .* key=value"),
        (["--cfg", "jbo"], r"^argument --cfg/-c: invalid choice: 'jbo'"),
        (["data=celeba", "data.count=5"], r"^data\.count is a setting of data=synthetic, and this run has data=celeba"),
        (
            ["++strategy.outer_lr=0.7"],
            r"^strategy\.outer_lr is a setting of strategy=local_steps and strategy=auto, and .* type str",
        ),
        (["seed"], r"^seed cannot be read as a setting"),
        (["seed=["], r"^seed=\[ cannot be read as a setting"),
        (["--cfg", "job", "model.image_size=5"], r"^model\.image_size"),
        (["data.path=${nope}"], r"^Interpolation key 'nope' not found"),
        (["model=null"], r"^Config group override must be a string"),
        (["seed=1,2"], r"^Ambiguous value for argument 'seed=1,2': add -m"),
    ],
)
def test_a_mistake_is_answered_in_one_sentence(
    arguments: list[str], answer: str, trained: list[Config], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=answer) as raised:
        compose.run(arguments)
    assert "\n" not in str(raised.value)
    assert capsys.readouterr() == ("", "")
    assert trained == []


@pytest.mark.parametrize(
    "value",
    [
        "/a b",
        "/a=b",
        "/x(1).zip",
        "/a,b",
        "/x'y",
        "it\\'s",
        "/x\\",
        "/gesichter/\u00fc\u8868",
        "[a]",
        "a{b}",
        "C:\\x y",
        "a#b",
        "[",
        "'",
    ],
)
def test_a_text_may_have_any_letters(value: str, trained: list[Config]) -> None:
    compose.run(["data=image_folder", f"data.path={value}", f"name={value}"])
    assert (trained[0].data.path, trained[0].name) == (value, value)
    assert compose.compose(["data=image_folder", f"data.path={value}"]).data.path == value


def test_a_list_of_words_is_one_value_and_a_sweep_with_m(trained: list[Config], swept: list) -> None:
    compose.run(["loss.augment=color,translation"])
    assert [config.loss.augment for config in trained] == ["color,translation"]
    compose.run(["-m", "loss.augment='color,translation',cutout"])
    [(points, _)] = swept
    assert [one.config.loss.augment for one in points] == ["color,translation", "cutout"]


def test_a_group_that_is_nothing_is_refused_by_commands_too() -> None:
    with pytest.raises(ConfigError, match="Config group override must be a string"):
        compose.compose(["model=null"])


def test_cfg_job_prints_the_configuration(trained: list[Config], capsys: pytest.CaptureFixture[str]) -> None:
    assert compose.run(["experiment=demo", "--cfg", "job"]) == 0
    assert "image_size: 32" in capsys.readouterr().out
    assert trained == []


def test_cfg_job_prints_only_what_the_run_gets(trained: list[Config], capsys: pytest.CaptureFixture[str]) -> None:
    assert compose.run(["experiment=demo", "data=celeba", "--cfg", "job"]) == 0
    shown = capsys.readouterr().out
    assert "name: celeba" in shown
    assert "count:" not in shown
    with pytest.raises(ConfigError, match=r"^codec=fp61 does not exist"):
        compose.run(["codec=fp61", "--cfg", "job"])


@pytest.mark.parametrize("shown", ["job", "all"])
@pytest.mark.parametrize(
    ("override", "answer"),
    [
        ("loss.name=nope", r"^loss(\.name)?=nope"),
        ("observers=nope", r"^observers=nope"),
        ("model.image_size=5", r"^model\.image_size"),
    ],
)
def test_what_a_run_refuses_is_not_shown(
    override: str, answer: str, shown: str, trained: list[Config], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=answer):
        compose.run([override, "--cfg", shown])
    assert capsys.readouterr().out == ""
    assert trained == []


def test_cfg_all_and_a_package_are_shown_by_hydra(trained: list[Config], capsys: pytest.CaptureFixture[str]) -> None:
    assert compose.run(["--cfg", "all", "seed=7"]) == 0
    shown = capsys.readouterr().out
    assert "\nseed: 7" in shown
    assert "hydra:" in shown
    assert compose.run(["--cfg", "job", "-p", "model"]) == 0
    assert capsys.readouterr().out.startswith("# @package model\nname: dcgan")
    assert trained == []


def test_help_teaches(trained: list[Config], capsys: pytest.CaptureFixture[str]) -> None:
    assert compose.run(["--help"]) == 0
    shown = capsys.readouterr().out
    for part in ("ganns worker", "experiment: demo", "resume=latest", "data.path=", "--cfg job", " -m "):
        assert part in shown


def test_messages_follow_the_command(trained: list[Config], capsys: pytest.CaptureFixture[str]) -> None:
    """`ganns solo` is the same application under another name: its messages must not speak of `ganns train`."""
    assert compose.run(["--help"], command="solo") == 0
    assert "ganns solo experiment=demo" in capsys.readouterr().out
    with pytest.raises(ConfigError, match=r"not an option of `ganns solo`: write .* `ganns solo stop\.epochs=3`"):
        compose.run(["--stop.epochs", "3"], command="solo")
    with pytest.raises(ConfigError, match=r"`ganns solo --help` shows the flags"):
        compose.run(["--cfg", "jbo"], command="solo")
    with pytest.raises(ConfigError, match=r"`ganns solo --help` has examples"):
        compose.run(["seed"], command="solo")
