"""The files in conf/: every one composes into a valid configuration, and mistakes are answered by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ganns.config import NAMES, Config, StopConfig, from_dict, keys, to_dict
from ganns.errors import ConfigError

CONF = Path(__file__).parents[1] / "conf"
GROUPS = sorted(folder.name for folder in CONF.iterdir() if folder.is_dir() and folder.name != "hydra")
OPTIONS = [(group, file.stem) for group in GROUPS for file in sorted((CONF / group).glob("*.yaml"))]
EXPERIMENTS = [option for group, option in OPTIONS if group == "experiment"]
# The values that an option cannot know.
NEEDED = {("data", "packed"): ["data.url=http://host/faces"], ("data", "image_folder"): ["data.path=/pictures"]}


def composed(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        values = OmegaConf.to_container(compose("config", overrides=list(overrides)), resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def nested(key: str, value: Any) -> dict[str, Any]:
    """`stop.rounds`, 3 -> a configuration that is valid but for this one value."""
    values: dict[str, Any] = to_dict(Config(stop=StopConfig(epochs=1)))
    *groups, last = key.split(".")
    target = values
    for group in groups:
        target = target[group]
    target[last] = value
    return values


def test_the_schema_and_the_files_have_the_same_defaults() -> None:
    from_files = from_dict(composed())
    from_files.stop = StopConfig()  # only the files say when to end
    assert from_files == Config()


def test_every_key_is_written_in_the_files() -> None:
    assert sorted(flat(composed())) == sorted(keys())


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes_and_validates(group: str, option: str) -> None:
    config = from_dict(composed(f"{group}={option}", *NEEDED.get((group, option), [])))
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize(("group", "option"), [(group, option) for group, option in OPTIONS if group in NAMES])
def test_every_option_says_all_of_its_group(group: str, option: str) -> None:
    values = OmegaConf.to_container(OmegaConf.load(CONF / group / f"{option}.yaml"), resolve=False)
    assert isinstance(values, dict)
    assert sorted(map(str, values)) == sorted(to_dict(Config())[group])


def test_every_name_has_an_option() -> None:
    for group, names in NAMES.items():
        offered = {OmegaConf.load(file)["name"] for file in (CONF / group).glob("*.yaml")}
        assert offered == set(names), group


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_lists_only_differences(experiment: str) -> None:
    content = OmegaConf.to_container(OmegaConf.load(CONF / "experiment" / f"{experiment}.yaml"))
    assert isinstance(content, dict)
    defaults = {str(key): value for key, value in content.items() if key != "defaults"}
    choices = [
        f"{str(group).removeprefix('override /')}={option}"
        for item in content.get("defaults", [])
        for group, option in item.items()
    ]
    for choice in choices:
        assert composed(choice) != composed(), f"{choice} is the default"
    before = flat(composed(*choices))
    for key, value in flat(defaults).items():
        assert before[key] != value, f"{key}={value} is the default"


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("optimizer.lrg", "optimizer.lr_g"),
        ("strategy.unit_image", "strategy.unit_images"),
        ("seeed", "seed"),
        ("minutes", "stop.minutes"),
    ],
)
def test_a_typo_is_answered_with_the_key_that_was_meant(key: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{key} is not a setting; did you mean {meant}\?$"):
        from_dict(nested(key, 1))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("stop.rounds", "soon"),
        ("stop.rounds", 2.5),
        ("sample_every", None),
        ("optimizer.lr_g", "fast"),
        ("model.latent_dim", [1]),
        ("data.path", {"a": 1}),
    ],
)
def test_a_wrong_type_is_answered_with_the_key(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{key} has a value that cannot be used: .*"):
        from_dict(nested(key, value))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", -1),
        ("seed", 2**31),
        ("model.image_size", 48),
        ("model.latent_dim", 0),
        ("data.count", 1),
        ("data.holdout", -1),
        ("strategy.unit_images", 1),
        ("strategy.micro_batch", 1),
        ("strategy.micro_batch", 65),
        ("strategy.micro_batch", 48),
        ("loss.label_smoothing", 0.6),
        ("strategy.outer_lr", 0.0),
        ("optimizer.lr_g", -1e-4),
        ("optimizer.lr_d", float("nan")),
        ("optimizer.beta1", 1.0),
        ("optimizer.eps", 0.0),
        ("optimizer.ema_decay", 1.0),
        ("aggregate.max_norm", 0.0),
        ("quorum.units", 0),
        ("quorum.spares", -1),
        ("quorum.deadline_s", 0.0),
        ("quorum.grace_s", float("inf")),
        ("db.keep_versions", 1),
        ("stop.rounds", 0),
        ("stop.minutes", -1.0),
        ("sample_every", -1),
        ("codec.name", "fp61"),
        ("model.name", "stylegan"),
    ],
)
def test_a_value_out_of_range_is_answered_with_key_value_and_range(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^{key}={value} .*(give a value from|choose) .*[.?]$"):
        from_dict(nested(key, value))


def test_a_run_must_be_told_when_to_end() -> None:
    with pytest.raises(ConfigError, match=r"stop\.rounds, stop\.epochs or stop\.minutes"):
        from_dict({})


def test_an_image_folder_needs_a_path() -> None:
    with pytest.raises(ConfigError, match=r"^data\.path is empty"):
        from_dict(composed("data=image_folder"))


def test_packed_data_need_an_address_or_a_folder() -> None:
    with pytest.raises(ConfigError, match=r"^data\.url is empty"):
        from_dict(composed("data=packed"))
    from_dict(composed("data=packed", "data.path=/faces"))
