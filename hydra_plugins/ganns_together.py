"""Where Hydra finds our launcher: it takes plugins from the namespace package `hydra_plugins` alone."""

from ganns import hydra_launcher


class TogetherLauncher(hydra_launcher.TogetherLauncher):
    """What conf/hydra/launcher/together.yaml names."""
