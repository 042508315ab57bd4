"""The files in conf/: every one composes into a valid configuration, and mistakes are answered by name."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from ganns.config import (
    NAMES,
    OPTIONS,
    PLUGGED,
    AutoCodec,
    AutoStrategy,
    Config,
    PluginData,
    StopConfig,
    from_dict,
    settings,
    to_dict,
)
from ganns.config_diff import differing
from ganns.config_diff import flat as flat_settings
from ganns.errors import ConfigError
from ganns.launch import compose

CONF = Path(__file__).parents[2] / "conf"
GROUPS = sorted(folder.name for folder in CONF.iterdir() if folder.is_dir() and folder.name != "hydra")
FILES = [(group, file.stem) for group in GROUPS for file in sorted((CONF / group).glob("*.yaml"))]
EXPERIMENTS = [option for group, option in FILES if group == "experiment"]
# The values that an option cannot know.
NEEDED = {
    ("data", "packed"): ["data.url=http://host/faces"],
    ("data", "image_folder"): ["data.path=/pictures"],
    ("aggregate", "multi_krum"): ["quorum=spares"],
    ("store", "s3"): ["store.bucket=faces"],
}


def composed(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        values = OmegaConf.to_container(hydra.compose("config", overrides=list(overrides)), resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def nested(key: str, value: Any) -> dict[str, Any]:
    """`stop.rounds`, 3 -> a configuration that is valid but for this one value."""
    config = Config(stop=StopConfig(epochs=1))
    for option in settings().get(key, {}):
        if option:
            setattr(config, key.partition(".")[0], OPTIONS[key.partition(".")[0]][option]())
            break
    values: dict[str, Any] = to_dict(config)
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
    written = {key for group in OPTIONS for option in OPTIONS[group] for key in flat(composed(f"{group}={option}"))}
    assert sorted(written) == sorted(settings())


@pytest.mark.parametrize(("group", "option"), FILES)
def test_every_option_composes_and_validates(group: str, option: str) -> None:
    config = from_dict(composed(f"{group}={option}", *NEEDED.get((group, option), [])))
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize(("group", "option"), [(group, option) for group, option in FILES if group in NAMES])
def test_every_option_says_all_of_its_group(group: str, option: str) -> None:
    values = OmegaConf.to_container(OmegaConf.load(CONF / group / f"{option}.yaml"), resolve=False)
    assert isinstance(values, dict)
    option_class = OPTIONS[group][values["name"]] if group in OPTIONS else type(getattr(Config(), group))
    assert sorted(map(str, values)) == sorted(option_class.__dataclass_fields__)


@pytest.mark.parametrize(("group", "name"), [(group, name) for group in OPTIONS for name in OPTIONS[group]])
def test_an_option_has_the_same_defaults_in_the_schema_and_in_its_file(group: str, name: str) -> None:
    assert composed(f"{group}={name}")[group] == asdict(OPTIONS[group][name]())


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
        ("codec.up", "fp61"),
        ("optimizer.name", "sgd"),
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


@pytest.mark.parametrize("bucket", ["", "Faces", "a", "faces/", "x" * 64])
def test_a_store_needs_a_bucket(bucket: str) -> None:
    with pytest.raises(
        ConfigError, match=r"^store\.bucket=.* is no bucket's name: give the store's, store\.bucket=name"
    ):
        from_dict(composed("store=s3", f"store.bucket='{bucket}'"))


@pytest.mark.parametrize("key", ["store.endpoint", "store.url"])
def test_a_stores_address_has_no_secret(key: str) -> None:
    """Each worker reads the run's settings, and the message is in a log."""
    for value in ("https://ada:hush@host", "https://host/faces?token=hush", "ada:hush@host", "https://host/#hush"):
        with pytest.raises(ConfigError, match=rf"^{key} has a login or a query, .* AWS_SECRET_ACCESS_KEY") as raised:
            from_dict(composed("store=s3", "store.bucket=faces", f"{key}='{value}'"))
        assert "hush" not in str(raised.value)
    for value in ("host", "ftp://host", "https://", "https://a b"):
        with pytest.raises(ConfigError, match=rf"^{key}={value} is no address: give http"):
            from_dict(composed("store=s3", "store.bucket=faces", f"{key}='{value}'"))
    from_dict(composed("store=s3", "store.bucket=faces", f"{key}=https://host:9000/path/"))


@pytest.mark.parametrize(
    ("overrides", "key", "owners", "chosen"),
    [
        (["data=celeba", "data.count=5"], "data.count", "data=synthetic", "data=celeba"),
        (["data.path=/faces"], "data.path", "data=image_folder and data=celeba and data=packed", "data=synthetic"),
        (["strategy.outer_lr=0.7"], "strategy.outer_lr", "strategy=local_steps and strategy=auto", "strategy=gradient"),
        (
            ["strategy=local_steps", "strategy.pipeline=true"],
            *("strategy.pipeline", "strategy=gradient", "strategy=local_steps"),
        ),
        (["store.bucket=faces"], "store.bucket", "store=s3", "store=none"),
        (["loss=hinge", "loss.label_smoothing=0"], "loss.label_smoothing", "loss=non_saturating", "loss=hinge"),
    ],
)
def test_a_key_of_another_option_is_answered_with_the_option(
    overrides: list[str], key: str, owners: str, chosen: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        compose.compose(overrides)
    assert str(raised.value) == (
        f"{key} is a setting of {owners}, and this run has {chosen}: "
        f"leave it out, or type {owners.replace(' and ', ' or ')}."
    )
    group, _, name = key.partition(".")
    with pytest.raises(ConfigError, match=f"^{key} is a setting of {owners}"):
        from_dict({group: {"name": chosen.partition("=")[2], name: 1}, "stop": {"rounds": 1}})


def test_an_experiments_keys_for_another_option_do_not_count() -> None:
    config = compose.compose(["experiment=demo", "data=celeba"])
    assert to_dict(config)["data"] == {"name": "celeba", "path": None}
    assert compose.compose(["experiment=demo", "data.name=celeba"]) == config  # `data=` is only the usual way
    with pytest.raises(ConfigError, match=r"^data\.count is a setting of data=synthetic"):
        compose.compose(["experiment=demo", "data=celeba", "data.count=8000"])


def test_a_typed_key_is_refused_even_if_the_run_then_has_all_keys() -> None:
    """As a stored run of an older version has: what is typed must not be dropped without a word."""
    typed = ["data=celeba", "data.url=x", "data.count=9", "data.holdout=9", "data.seed=9", "strategy=local_steps"]
    with pytest.raises(ConfigError, match=r"^data\.url is a setting of data=packed, and this run has data=celeba"):
        compose.compose(typed)


@pytest.mark.parametrize(
    ("typed", "idle", "needed"),
    [
        (["audit=nobody", "audit.share=0.5"], "audit.of=nobody", "audit=students"),
        (["model.attributes=Smiling"], "model.conditional=false", "model.conditional=true"),
        (["db.keep_state_gb=5"], "db.keep_state_every=0", "db.keep_state_every=100"),
    ],
)
def test_a_typed_key_that_does_nothing_is_refused(typed: list[str], idle: str, needed: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"^{typed[-1]} does nothing with {idle}: leave it out, or type {needed}, too"
    ):
        compose.compose(["experiment=smoke", *typed])
    compose.compose(["experiment=smoke", *typed, needed])


def test_a_plug_in_has_all_keys_of_its_group() -> None:
    assert set(PluginData.__dataclass_fields__) == {"name", "path", "url", "count", "holdout", "seed"}
    for group in OPTIONS.keys() & PLUGGED.keys():
        every = {key for key in settings() if key.startswith(f"{group}.")}
        assert {f"{group}.{name}" for name in PLUGGED[group].__dataclass_fields__} == every
    values = composed() | {"data": {"name": "discs", "path": "/x", "count": 5}, "loss": {"name": "mine"}}
    config = from_dict(values)
    assert to_dict(config)["data"] == {
        **{"name": "discs", "path": "/x", "url": None, "count": 5, "holdout": 2000, "seed": 0}
    }
    assert to_dict(config)["loss"] == {"name": "mine", "r1": 0.0, "augment": "", "label_smoothing": 0.0}


# A run as versions before this one stored it: every key of every group, whatever the options.
OLD = {
    "name": "faces",
    "seed": 3,
    "model": {
        **{"name": "dcgan", "image_size": 32, "latent_dim": 100, "features_g": 8, "features_d": 8},
        "spectral_norm": False,
    },
    "data": {"name": "synthetic", "path": None, "url": None, "count": 64, "holdout": 16, "seed": 5},
    "strategy": {
        **{"name": "gradient", "unit_images": 8, "micro_batch": 4, "outer_lr": 1.0, "outer_momentum": 0.0},
        **{"pipeline": True, "mixed_precision": False},
    },
    "loss": {"name": "non_saturating", "label_smoothing": 0.1, "r1": 0.5, "augment": "color"},
    "optimizer": {
        **{"name": "adam", "lr_g": 0.0002, "lr_d": 0.0002, "beta1": 0.5, "beta2": 0.999, "eps": 1e-08},
        "ema_decay": 0.99,
    },
    "aggregate": {"name": "mean", "max_norm": None},
    "codec": {"name": "fp32"},
    "quorum": {"units": 2, "spares": 0, "deadline_s": None, "grace_s": 0.0},
    "db": {"checkpoint_s": 60.0, "keep_versions": 2},
    "evaluate": {"every": 100, "images": 2000, "features": "attributes"},
    "stop": {"rounds": 3, "epochs": None, "minutes": None},
    "resume": None,
    "sample_every": 0,
    "tensorboard": False,
    "start_from": None,
    "plugins": {},
}
ALL_DATA = {"path": "/faces", "url": "http://host/faces", "count": 2, "holdout": 1000, "seed": 0}
ALL_STEPS = {"unit_images": 64, "micro_batch": 8, "outer_lr": 0.7, "outer_momentum": 0.9, "mixed_precision": True}


@pytest.mark.parametrize(
    ("group", "old", "new"),
    [
        ("data", OLD["data"], {"name": "synthetic", "count": 64, "holdout": 16, "seed": 5}),
        (
            "data",
            {"name": "image_folder", **ALL_DATA},
            {"name": "image_folder", "path": "/faces", "holdout": 1000},
        ),
        ("data", {"name": "celeba", **ALL_DATA}, {"name": "celeba", "path": "/faces"}),
        ("data", {"name": "packed", **ALL_DATA}, {"name": "packed", "path": "/faces", "url": "http://host/faces"}),
        ("data", {"name": "discs", **ALL_DATA}, {"name": "discs", **ALL_DATA}),
        (
            "strategy",
            {"name": "gradient", **ALL_STEPS, "pipeline": True},
            {"name": "gradient", "unit_images": 64, "micro_batch": 8, "mixed_precision": True, "pipeline": True},
        ),
        (
            "strategy",
            {"name": "local_steps", **ALL_STEPS, "pipeline": False},
            {"name": "local_steps", **ALL_STEPS, "per_class": False},
        ),
        ("loss", OLD["loss"], OLD["loss"]),
        (
            "loss",
            {"name": "hinge", "label_smoothing": 0.0, "r1": 1.0, "augment": ""},
            {"name": "hinge", "r1": 1.0, "augment": ""},
        ),
        ("loss", {"name": "mine", "label_smoothing": 0.2, "r1": 0.0, "augment": ""}, None),
    ],
)
def test_a_stored_run_of_the_old_form_loads(group: str, old: dict[str, Any], new: dict[str, Any] | None) -> None:
    stored = OLD | {group: old}
    before = json.dumps(stored)
    config = from_dict(stored)
    assert json.dumps(stored) == before
    assert to_dict(config)[group] == (new or old)
    assert from_dict(to_dict(config)) == config
    assert not differing([flat_settings(stored), flat_settings(to_dict(config))])


def test_an_even_older_run_loads() -> None:
    """Before `data.url`, `strategy.pipeline` and `strategy.mixed_precision` there were runs, too."""
    data = {"name": "celeba", "path": "/faces", "count": 2, "holdout": 2000, "seed": 0}
    strategy = {"name": "gradient", "unit_images": 8, "micro_batch": 4, "outer_lr": 1.0, "outer_momentum": 0.0}
    config = from_dict(OLD | {"data": data, "strategy": strategy})
    assert to_dict(config)["data"] == {"name": "celeba", "path": "/faces"}
    assert not config.strategy.pipeline


def test_an_unknown_key_of_an_old_run_is_refused_all_the_same() -> None:
    with pytest.raises(ConfigError, match=r"^data\.cuont is not a setting; did you mean data\.count\?$"):
        from_dict(OLD | {"data": {"name": "celeba", **ALL_DATA, "cuont": 3}})


def test_a_run_that_was_stored_before_codecs_had_keys_keeps_its_codec() -> None:
    for name, up in (("fp32", "fp32"), ("fp16", "fp16")):
        assert from_dict(OLD | {"codec": {"name": name}}).codec == OPTIONS["codec"][name](name=name, up=up)


def test_a_run_that_was_stored_before_there_was_a_chain_keeps_its_codec() -> None:
    stored = {"name": "home", "up": "rot2", "down": "int8"}
    assert to_dict(from_dict(OLD | {"codec": stored}))["codec"] == stored


@pytest.mark.parametrize("key", ["codec.up", "codec.down"])
def test_what_auto_chooses_cannot_be_typed(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{key}=int8 cannot be set with codec=auto.*type codec=home {key}=int8\.$"):
        compose.compose(["codec=auto", f"{key}=int8"])


@pytest.mark.parametrize("typed", ["strategy.unit_images=512", "strategy.per_class=True"])
def test_the_units_that_auto_chooses_cannot_be_typed(typed: str) -> None:
    refused = rf"^{typed} cannot be set with strategy=auto.*type strategy=local_steps {typed}\.$"
    with pytest.raises(ConfigError, match=refused):
        compose.compose(["link=auto", typed])


def test_link_auto_chooses_units_and_codec_and_an_experiments_units_do_not_count() -> None:
    for typed in ("link=auto", "strategy=auto"):
        config = compose.compose(["experiment=demo", typed])
        assert config.strategy == AutoStrategy(micro_batch=16)  # the demo's, and not its unit_images
    assert compose.compose(["link=auto"]).codec == AutoCodec()
    assert compose.compose(["link=auto", "codec=int8"]).codec.name == "int8"


@pytest.mark.parametrize(
    ("link", "units", "codec"), [("lan", 1024, "fp32"), ("home", 2048, "home"), ("slow", 8192, "home")]
)
def test_a_link_chooses_units_and_codec_together(link: str, units: int, codec: str) -> None:
    config = compose.compose(["experiment=demo", f"link={link}"])
    assert (config.strategy.name, config.strategy.unit_images, config.codec.name) == ("local_steps", units, codec)
    typed = compose.compose([f"link={link}", "strategy.unit_images=512", "codec=int8"])
    assert (typed.strategy.unit_images, typed.codec.name) == (512, "int8")
