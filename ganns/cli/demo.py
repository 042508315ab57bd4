"""`ganns demo`."""

from ganns.errors import GannsError


def demo() -> None:
    """Train a small GAN with two workers on this machine and show what it learned."""
    raise GannsError("`ganns demo` is not written yet.")
