"""Optional packages and updates: what is missing is named, with the line that fits this installation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ganns.errors import MissingExtra
from ganns.utils import installation
from ganns.utils.installation import extra, install_command, package, pinned_command, update_command

REPOSITORY = "https://github.com/ada/ganns-with-friends"
COMMIT = "4c1d2b7e"
FROM_GIT = {"url": f"{REPOSITORY}.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}
CHECKOUT = {"url": "file:///home/ada/ganns%20with%20friends", "dir_info": {"editable": True}}
ORIGINS: dict[str, tuple[Any, str, str]] = {
    "an index": (
        None,
        "pip install 'ganns[video]==1.2.3'",
        "pip install 'ganns==1.3.*'",
    ),
    "GitHub": (
        FROM_GIT,
        f"pip install 'ganns[video] @ git+{REPOSITORY}.git@{COMMIT}' -c {REPOSITORY}/raw/{COMMIT}/constraints.txt",
        f"pip install --force-reinstall --no-deps git+{REPOSITORY}.git",
    ),
    "another forge, with a login": (
        FROM_GIT | {"url": "https://ada:SECRET@forge.example.org/ganns"},
        f"pip install 'ganns[video] @ git+https://forge.example.org/ganns@{COMMIT}'",
        "pip install --force-reinstall --no-deps git+https://forge.example.org/ganns",
    ),
    "a checkout": (
        CHECKOUT,
        "cd '/home/ada/ganns with friends' && pip install -c constraints.txt -e '.[video]'",
        "git pull",
    ),
    "a wheel": (
        {"url": "file:///tmp/ganns-1.2.3.whl", "archive_info": {}},
        "pip install 'ganns[video]==1.2.3'",
        "pip install 'ganns==1.3.*'",
    ),
}


class FakeDistribution:
    """An installed package with a record of its origin."""

    version = "1.2.3"

    def __init__(self, origin: Any) -> None:
        self.origin = origin

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return json.dumps(self.origin) if self.origin else None


@pytest.mark.parametrize(("origin", "install", "update"), ORIGINS.values(), ids=ORIGINS)
def test_the_lines_fit_the_installation(
    monkeypatch: pytest.MonkeyPatch, origin: Any, install: str, update: str
) -> None:
    monkeypatch.setattr(installation, "distribution", lambda name: FakeDistribution(origin))
    assert install_command("video") == install
    assert update_command("1.3") == update


def test_packages_of_the_index_come_in_the_tested_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = {
        "an index": "pip install torch",
        "GitHub": f"pip install torch -c {REPOSITORY}/raw/{COMMIT}/constraints.txt",
        "a checkout": "cd '/home/ada/ganns with friends' && pip install torch -c constraints.txt",
    }
    for name, line in lines.items():
        monkeypatch.setattr(installation, "distribution", lambda _, name=name: FakeDistribution(ORIGINS[name][0]))
        assert pinned_command("torch") == line


def test_a_missing_package_is_named_with_its_extra() -> None:
    with (
        pytest.raises(MissingExtra, match=r"^MP4 needs .*\(no_such_package\): .*pip install .*\[video\]'"),
        extra("video", "MP4"),
    ):
        import no_such_package  # noqa: F401


def test_a_missing_package_of_no_extra_is_named() -> None:
    with pytest.raises(MissingExtra, match=r"^A logger needs .*: pip install wandb$"), package("wandb", "A logger"):
        import no_such_package  # noqa: F401


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(ValueError, match="own"), extra("video", "MP4"):
        raise ValueError("its own")
