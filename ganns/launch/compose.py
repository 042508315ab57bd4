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
from ganns.config import Config, from_dict, nearest, unknown_key
from ganns.errors import ConfigError
from ganns.launch.launcher import Failed, register
from ganns.launch.overrides import quoted, to_values, with_all_keys
from ganns.launch.train import train

HYDRAS = (ValueError, TypeError, AttributeError, AssertionError, LookupError, ArithmeticError, RecursionError)
"""What Hydra and OmegaConf raise for an odd override, besides their own errors."""


def run(argv: Sequence[str], action: Callable[[Config], None] | None = None, command: str = "train") -> int:
    """Run `ganns train` with the arguments `argv` (without the program's name) and return the exit code.

    With `-m`, `ganns.launch.sweep_together` trains the points of a sweep together; `ganns solo` trains them
    one after the other, and ends the sweep at the first failure.

    Args:
        argv: Hydra's overrides and flags.
        action: what to do with each configuration; None trains over workers (`ganns solo` trains alone).
        command: the word after `ganns`, for messages; its help is conf/hydra/help/<command>.yaml.

    Raises:
        ConfigError: an argument or a value is wrong; the error puts Hydra's messages into one sentence.
        GannsError: the run's own error.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from ganns.paths import conf_dir

    argv, shown, flags = _sort_arguments(argv, command)
    register()
    if shown is not None:
        values = _compose(shown, command)
        plugins.require(from_dict(values))  # what `ganns train` would refuse is refused here, too
        if flags == ("job", None):
            print(OmegaConf.to_yaml(values), end="")
            return 0

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
    except (HydraException, OmegaConfBaseException, *HYDRAS) as error:
        _explain(error, command)
    except SystemExit as stopped:  # Hydra ends --help like this
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

    from ganns.paths import conf_dir

    overrides = quoted(overrides)
    try:
        with hydra.initialize_config_dir(str(conf_dir().resolve()), version_base="1.3"):
            return to_values(hydra.compose("config", with_all_keys(overrides)), overrides)
    except (HydraException, OmegaConfBaseException, *HYDRAS) as error:
        _explain(error, command)


def _sort_arguments(
    argv: Sequence[str], command: str
) -> tuple[list[str], list[str] | None, tuple[str | None, str | None]]:
    """Return the flags, then the overrides (Hydra's order); those that `--cfg` shows, or None; `--cfg` and `--package`.

    Hydra's own `--cfg job` would show keys that an experiment sets for another option, which a run does not get.

    Raises:
        ConfigError: a flag is wrong; Hydra's own parser would print a page of usage.
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
    if command == "solo":  # this command uses the whole machine
        chosen.append("hydra/launcher=basic")
    shown = overrides if found.cfg and not found.multirun else None
    sorted_ = [*flags, *chosen, *with_all_keys(quoted(overrides, found.multirun))]
    return sorted_, shown, (found.cfg, found.package)


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
    """Raise a ConfigError that puts many lines of Hydra or OmegaConf into one sentence."""
    text = str(error)
    first = next(iter(text.strip().splitlines()), type(error).__name__).rstrip(".")
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
    """Return the error for `group=option` without such a file; Hydra lists the existing files."""
    group, _, option = path.rpartition("/")
    listed = text.partition("Available options in")[2].partition("Config search path")[0]
    options = [line.strip() for line in listed.splitlines() if line.startswith("\t")]
    if group in plugins.GROUPS and option in plugins.installed(group):
        return ConfigError(f"{group}={option} has no file, since it is a plug-in: write {group}.name={option}.")
    choice = f": choose {' or '.join(options)}" if options else ""
    return ConfigError(f"{group}={option} does not exist{choice}{nearest(option, options)}")
