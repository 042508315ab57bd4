"""`ganns train experiment=demo`: compose the configuration with Hydra and hand it to the coordinator.

This is the composition root. Everything below it takes a `Config`; nothing below it knows Hydra.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from ganns.config import Config, from_dict, keys, nearest, unknown_key
from ganns.errors import ConfigError, GannsError

# Hydra's own flags. A dash-dash option that is none of them is most likely a setting that was written the wrong way.
_FLAGS = (
    "--help --hydra-help --version --cfg --resolve --package --run --multirun --shell-completion --config-path "
    "--config-name --config-dir --experimental-rerun --info"
).split()


def run(argv: Sequence[str]) -> int:
    """Run `ganns train` with the arguments `argv` (without the program's name) and return the exit code.

    Raises:
        ConfigError: an argument or a value is wrong; Hydra's own messages are put into one sentence.
        GannsError: what the run itself raised.
    """
    _check_flags(argv)
    import hydra
    from hydra.errors import HydraException
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from ganns.resources import conf_dir

    failed: list[GannsError] = []

    @hydra.main(version_base="1.3", config_path=str(conf_dir().resolve()), config_name="config")
    def job(composed: DictConfig) -> None:
        # Hydra writes "Error executing job" before it passes an exception on, so ours takes another way out.
        # After an error a sweep (`-m`) does not start the runs that are left.
        if failed:
            return
        try:
            train(from_dict(_plain(OmegaConf.to_container(composed, resolve=True))))
        except GannsError as error:
            failed.append(error)

    try:
        with _hydra_environment(argv):
            job()
    except (HydraException, OmegaConfBaseException) as error:
        _explain(error)
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else 1
    if failed:
        raise failed[0]
    return 0


def train(config: Config) -> None:
    """Coordinate the run that `config` describes until it stops."""
    from ganns.coordinator import train_run  # loads torch, which `--help` and `--cfg job` can do without

    train_run(config)


@contextmanager
def _hydra_environment(argv: Sequence[str]) -> Iterator[None]:
    """Let `hydra.main`, which reads `sys.argv`, see `argv`; and let it raise errors instead of printing them."""
    argv_before, full_error_before = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = ["ganns train", *argv]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = argv_before
        if full_error_before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = full_error_before


def _check_flags(argv: Sequence[str]) -> None:
    """Refuse `--stop.epochs 3`, which argparse would answer with a page of usage."""
    for word in argv:
        flag = word.split("=")[0]
        # argparse accepts a flag's unambiguous beginning, and so do we.
        if flag.startswith("--") and not any(known.startswith(flag) for known in _FLAGS):
            name = flag.lstrip("-")
            raise ConfigError(
                f"{flag} is not an option of `ganns train`: write settings as key=value without dashes"
                f"{nearest(name, keys())}"
            )


def _plain(container: Any) -> dict[str, Any]:
    """Return what OmegaConf made of `config.yaml` as the dictionary that it is."""
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def _explain(error: Exception) -> NoReturn:
    """Raise the ConfigError that says in one sentence what Hydra or OmegaConf says in many lines."""
    text = str(error)
    if found := re.search(r"Could not override '([^']+)'", text):
        raise unknown_key(found[1]) from error
    if found := re.search(r"In '[^']*': Could not find '([^']+)'", text):
        raise _unknown_option(found[1], text) from error
    if found := re.search(r"Could not override '[^']*'\.\s*No match", text):
        raise ConfigError(text.splitlines()[0]) from error
    first = text.strip().splitlines()[0].rstrip(".")
    raise ConfigError(f"{first}; `ganns train --help` shows how settings are written.") from error


def _unknown_option(path: str, text: str) -> ConfigError:
    """Return the error for `group=option` without such a file; Hydra lists the files that there are."""
    group, _, option = path.rpartition("/")
    options = [line.strip() for line in text.splitlines() if line.startswith("\t")]
    return ConfigError(f"{group}={option} does not exist: choose {', '.join(options)}{nearest(option, options)}")
