"""`ganns solo`."""

from ganns.errors import GannsError


def solo() -> None:
    """Train the same configuration in one process, without a database."""
    raise GannsError("`ganns solo` is not written yet.")
