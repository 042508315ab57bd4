"""`ganns train experiment=demo`: compose the configuration with Hydra and hand it to the coordinator.

This is the composition root. Everything below it takes a `Config`; nothing below it knows Hydra.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from ganns import plugins
from ganns.config import OPTIONS, Config, from_dict, nearest, settings, unknown_key, without_foreign_keys
from ganns.errors import ConfigError


class Failed(BaseException):
    """Carries an error of the job through Hydra, which prints a text of its own for every `Exception`."""

    def __init__(self, error: Exception) -> None:
        """Keep the error."""
        super().__init__(error)
        self.error = error


def run(argv: Sequence[str], action: Callable[[Config], None] | None = None, command: str = "train") -> int:
    """Run `ganns train` with the arguments `argv` (without the program's name) and return the exit code.

    With `-m` the points of a sweep are trained together, by `ganns.together`; those of `ganns solo` follow each other,
    and the first that fails ends the sweep.

    Args:
        argv: Hydra's overrides and flags.
        action: what to do with each configuration; None trains over workers (`ganns solo` trains alone).
        command: the word after `ganns`, for messages; its help is conf/hydra/help/<command>.yaml.

    Raises:
        ConfigError: an argument or a value is wrong; Hydra's own messages are put into one sentence.
        GannsError: what the run itself raised.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from ganns.hydra_launcher import register
    from ganns.resources import conf_dir

    argv, shown = _sort_arguments(argv, command)
    if shown is not None:
        print(OmegaConf.to_yaml(_compose(shown, command)), end="")
        return 0
    register()

    @hydra.main(version_base="1.3", config_path=str(conf_dir().resolve()), config_name="config")
    def job(composed: DictConfig) -> None:
        try:
            from hydra.core.hydra_config import HydraConfig

            config = from_dict(to_values(composed, HydraConfig.get().overrides.task))
            plugins.require(config)
            (action or train)(config)
        except Exception as error:
            raise Failed(error) from error

    try:
        with _hydra_reads(argv, command):
            job()
    except Failed as failed:
        if isinstance(failed.error, OmegaConfBaseException):
            _explain(failed.error, command)
        raise failed.error from failed.error.__cause__
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        _explain(error, command)
    except SystemExit as stopped:  # Hydra's way out of --help
        return stopped.code if isinstance(stopped.code, int) else 1
    return 0


def compose(overrides: Sequence[str]) -> Config:
    """Compose a configuration inside a program, with the same overrides as on the command line.

    Raises:
        ConfigError: an override or a value is wrong.
    """
    config = from_dict(_compose(overrides))
    plugins.require(config)
    return config


def _compose(overrides: Sequence[str], command: str = "train") -> dict[str, Any]:
    """Return the values that Hydra composes, not checked yet."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from ganns.resources import conf_dir

    try:
        with hydra.initialize_config_dir(str(conf_dir().resolve()), version_base="1.3"):
            return to_values(hydra.compose("config", _with_all_keys(overrides)), overrides)
    except (HydraException, OmegaConfBaseException) as error:
        _explain(error, command)


def to_values(composed: Any, overrides: Sequence[str]) -> dict[str, Any]:
    """Return what Hydra composed (without its own settings) as dictionaries, without the keys of other options.

    `experiment=demo data=celeba` takes no `data.count` from the experiment, which wrote it for `data=synthetic`.

    Raises:
        ConfigError: a key of another option was typed.
    """
    from omegaconf import OmegaConf

    values = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    assert isinstance(values, dict)
    typed = () if values.get("resume") else typed_keys(overrides)  # a resumed run has options of its own
    return without_foreign_keys({str(key): value for key, value in values.items()}, typed)


def typed_keys(overrides: Sequence[str]) -> list[str]:
    """Return the keys of overrides: "seed" of "seed=7", "data.count" of "+data.count=9"."""
    return [str(word).lstrip("+~").partition("=")[0] for word in overrides]


def _with_all_keys(overrides: Sequence[str]) -> list[str]:
    """Write `++data.path=x` for `data.path=x`, and the same for all keys of groups whose options have different keys.

    Hydra knows only the keys in the file of the chosen option. With `++` it takes the others too, so that plug-ins get
    them, and `to_values` can say which option a key belongs to.
    """
    keys = [key for key in settings() if key.partition(".")[0] in OPTIONS]
    return [f"++{word}" if word.partition("=")[0] in keys else word for word in overrides]


def train(config: Config) -> None:
    """Coordinate the run that `config` describes until it stops."""
    # These load torch, which `--help` and `--cfg job` can do without.
    from pathlib import Path

    from hydra.core.hydra_config import HydraConfig

    from ganns.coordinator import train_run
    from ganns.db.address import join_line
    from ganns.db.choose import coordinator_database
    from ganns.sampling import Watch

    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    with coordinator_database() as address, Watch(config, folder, address=address) as watch:
        watch.say(f"the database is {address} ({address.source})")
        watch.say(f"workers join with  {join_line(address)}")
        run_id, done = train_run(config, address, watch, changed=typed_keys(hydra.overrides.task))
        watch.last_grid()
        if watch.grids.saved:
            watch.say(f"samples are in {folder / 'samples'}")
        if done:
            watch.say(f"run {run_id} is finished: `ganns sample {run_id}` draws with it")
        else:
            watch.say(f"run {run_id} stopped; go on with `ganns train resume={run_id}`")


def _sort_arguments(argv: Sequence[str], command: str) -> tuple[list[str], list[str] | None]:
    """Return the flags and then the overrides, as Hydra wants them; and the overrides that `--cfg job` shows, or None.

    Hydra's own `--cfg job` would show keys that an experiment sets for another option, which a run does not get.

    Raises:
        ConfigError: what is wrong with the flags; Hydra's parser alone would answer with a page of usage.
    """
    from hydra._internal.utils import get_args_parser

    def refuse(message: str) -> NoReturn:
        found = re.search(r"unrecognized arguments: -*([^\s=]*)", message)
        if found:
            flag = next(word for word in argv if word.startswith("-") and found[1] in word).split("=")[0]
            raise ConfigError(
                f"{flag} is not an option of `ganns {command}`: "
                f"write settings as key=value without dashes, as in `ganns {command} stop.epochs=3`."
            )
        raise ConfigError(f"{message}; `ganns {command} --help` shows the flags.")

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    found = parser.parse_intermixed_args(list(argv))
    overrides = found.overrides
    flags = [word for word in argv if word not in overrides]
    chosen = [f"hydra/help={command}"]
    if command == "solo":  # alone it needs the whole machine
        chosen.append("hydra/launcher=basic")
    shown = overrides if found.cfg == "job" and not (found.multirun or found.package) else None
    return [*flags, *chosen, *_with_all_keys(overrides)], shown


@contextmanager
def _hydra_reads(argv: Sequence[str], command: str) -> Iterator[None]:
    """Let `hydra.main` see `argv` in place of `sys.argv`, and raise its errors instead of printing them."""
    argv_before, full_error_before = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = [f"ganns {command}", *argv]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = argv_before
        if full_error_before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = full_error_before


def _explain(error: Exception, command: str = "train") -> NoReturn:
    """Raise the ConfigError that says in one sentence what Hydra or OmegaConf says in many lines."""
    text = str(error)
    first = text.strip().splitlines()[0].rstrip(".")
    if found := re.search(r"Could not override '([^']+)'", text):
        raise unknown_key(found[1]) from error
    if found := re.search(r"Could not find '([^']+)'", text):
        raise _unknown_option(found[1], text) from error
    if "Ambiguous value" in text:
        raise ConfigError(f"{first}: add -m to try one value after the other.") from error
    override = getattr(error, "override", None)
    if override is not None:
        first = f"{str(override).lstrip('+')} cannot be read as a setting ({first})"
    raise ConfigError(f"{first}; write key=value, `ganns {command} --help` has examples.") from error


def _unknown_option(path: str, text: str) -> ConfigError:
    """Return the error for `group=option` without such a file; Hydra lists the files that there are."""
    group, _, option = path.rpartition("/")
    listed = text.partition("Available options in")[2].partition("Config search path")[0]
    options = [line.strip() for line in listed.splitlines() if line.startswith("\t")]
    if group in plugins.GROUPS and option in plugins.installed(group):
        return ConfigError(f"{group}={option} has no file, since it is a plug-in: write {group}.name={option}.")
    choice = f": choose {' or '.join(options)}" if options else ""
    return ConfigError(f"{group}={option} does not exist{choice}{nearest(option, options)}")
