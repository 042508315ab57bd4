"""Optional packages: what is missing is named, with the line that installs it."""

from __future__ import annotations

import pytest

from ganns.errors import MissingExtra
from ganns.utils.extras import extra


def test_a_missing_package_is_named_with_its_extra() -> None:
    with (
        pytest.raises(MissingExtra, match=r"^MP4 needs .*\(no_such_package\): pip install 'ganns\[video\]'$"),
        extra("video", "MP4"),
    ):
        import no_such_package  # noqa: F401


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(ValueError, match="own"), extra("video", "MP4"):
        raise ValueError("its own")
