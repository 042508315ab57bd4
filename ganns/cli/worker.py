"""`ganns worker`."""

from ganns.errors import GannsError


def worker() -> None:
    """Join the training: compute units for the runs of a database."""
    raise GannsError("`ganns worker` is not written yet.")
