"""`ganns sample`."""

from ganns.errors import GannsError


def sample() -> None:
    """Draw images with a run's generator."""
    raise GannsError("`ganns sample` is not written yet.")
