"""`ganns runs`."""

from ganns.errors import GannsError


def runs() -> None:
    """List the runs of the database."""
    raise GannsError("`ganns runs` is not written yet.")
