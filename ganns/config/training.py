"""Define the groups of what is learned, and how: `model`, `data`, `strategy`, `loss`, `optimizer` and `aggregate`.

In a group with several options each has a dataclass of its own, with only the keys that it uses, and its defaults.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ganns.config.fields import SEED_MAX, TINY, choice, number

AUGMENTATIONS = ("color", "translation", "cutout")


@dataclass
class ModelConfig:
    """DCGAN (Radford et al. 2015); `features_*` is the number of channels in the layer next to the image.

    With `conditional` both networks get `attributes`, a list like "Eyeglasses,Smiling". The networks of another package
    (`ganns.plugins`) use the keys that they need, and have keys of their own in `options`, like "blocks=2,norm=group".
    """

    name: str = "dcgan"
    image_size: int = choice(64, (32, 64, 128))
    latent_dim: int = number(100, 1, 4096)
    features_g: int = number(64, 1, 1024)
    features_d: int = number(64, 1, 1024)
    spectral_norm: bool = False
    conditional: bool = False
    attributes: str = "Eyeglasses,Smiling,Black_Hair,Blond_Hair,Wearing_Hat"
    options: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the attributes that both networks get; none without `conditional`."""
        return tuple(name.strip() for name in self.attributes.split(",")) if self.conditional else ()


@dataclass
class DataConfig:
    """The keys of every option of `data`, the images. Each option is a subclass."""

    name: str


@dataclass
class SyntheticData(DataConfig):
    """Faces that a program draws from `seed`: `count` faces to train on, and `holdout` further ones."""

    name: str = "synthetic"
    count: int = number(20000, 2, 10**8)
    holdout: int = number(2000, 0, 10**8)
    seed: int = number(0, 0, SEED_MAX)


@dataclass
class ImageFolderData(DataConfig):
    """A folder or zip of images; the last `holdout` images are held out."""

    name: str = "image_folder"
    path: str | None = None
    holdout: int = number(1000, 0, 10**8)


@dataclass
class CelebAData(DataConfig):
    """CelebA, with its own split; without `path` it is below GANNS_HOME."""

    name: str = "celeba"
    path: str | None = None


@dataclass
class PackedData(DataConfig):
    """A pack, from the web server at `url`, or from the folder `path`; it says which images are held out."""

    name: str = "packed"
    path: str | None = None
    url: str | None = None


@dataclass
class PluginData(SyntheticData):
    """A data set of another package (`ganns.plugins`), which decides the meaning of each key."""

    path: str | None = None
    url: str | None = None


@dataclass
class StrategyConfig:
    """The keys of every option of `strategy`: the computation of a unit, over `unit_images` images.

    BatchNorm normalises over `micro_batch` images at once, and needs two for a variance.
    """

    name: str
    unit_images: int = number(64, 2, 65536)
    micro_batch: int = number(64, 2, 65536)
    mixed_precision: bool = False

    @property
    def pipeline(self) -> bool:
        """Whether two rounds are open; not with `local_steps`, whose many steps would make the networks swing."""
        return False


@dataclass
class GradientStrategy(StrategyConfig):
    """One synchronous step a round; with `pipeline` the gradients are one version old."""

    name: str = "gradient"
    pipeline: bool = False


@dataclass
class LocalStepsStrategy(StrategyConfig):
    """Steps of `micro_batch` images on the worker; `outer_*` say how the mean change of the weights is applied.

    With `per_class` the number of workers chooses the settings of each round (`ganns.training.per_class`).
    """

    name: str = "local_steps"
    unit_images: int = number(1024, 2, 65536)
    micro_batch: int = number(32, 2, 65536)
    outer_lr: float = number(1.0, TINY, 10)
    outer_momentum: float = number(0.0, 0, 0.999)
    per_class: bool = False


@dataclass
class AutoStrategy(LocalStepsStrategy):
    """Local steps, in units that are as large as the workers' links need when the run is created.

    2048 images if nothing is known of them.
    """

    name: str = "auto"
    unit_images: int = number(2048, 2, 65536)


@dataclass
class LossConfig:
    """The keys of every option of `loss`, the function that the networks minimise.

    `r1` is the weight of a penalty, `augment` a list like "color,translation".
    """

    name: str
    r1: float = number(0.0, 0, 1e6)
    augment: str = ""


@dataclass
class NonSaturatingLoss(LossConfig):
    """Cross-entropy; the label of real images is 1 - `label_smoothing`."""

    name: str = "non_saturating"
    label_smoothing: float = number(0.0, 0, 0.5)


@dataclass
class HingeLoss(LossConfig):
    """The hinge loss, which has no labels."""

    name: str = "hinge"


@dataclass
class OptimizerConfig:
    """Adam (Kingma & Ba 2015) for both networks, and the decay of the averaged generator.

    With `decay_rounds` the learning rates fall: in round r they are divided by 1 + r / decay_rounds.
    """

    name: str = "adam"
    lr_g: float = number(2e-4, 0, 1)
    lr_d: float = number(2e-4, 0, 1)
    beta1: float = number(0.5, 0, 0.999999)
    beta2: float = number(0.999, 0, 0.999999)
    eps: float = number(1e-8, TINY, 1)
    ema_decay: float = number(0.999, 0, 0.999999)
    decay_rounds: int | None = number(None, 1, 10**9)


@dataclass
class AggregateConfig:
    """The rule that turns results into one update.

    A result whose gradient norm is above `max_norm` is refused. One whose norm is above `clip` times the median norm of
    the results before it is scaled down to that.
    """

    name: str = "mean"
    max_norm: float | None = number(None, TINY, 1e12)
    clip: float | None = number(10.0, 1, 1e6)


@dataclass
class MedianAggregate(AggregateConfig):
    """The median of each number."""

    name: str = "median"


@dataclass
class CenteredClippingAggregate(AggregateConfig):
    """The mean of the results, each clipped to a distance from a centre."""

    name: str = "centered_clipping"


@dataclass
class TrimmedMeanAggregate(AggregateConfig):
    """The mean without extremes; `hostile` is the share of the results that may be wrong, rounded up to results."""

    name: str = "trimmed_mean"
    hostile: float = number(0.2, 0, 0.49)


@dataclass
class MultiKrumAggregate(AggregateConfig):
    """The mean of the results with the nearest neighbours; `hostile` as for the trimmed mean."""

    name: str = "multi_krum"
    hostile: float = number(0.2, 0, 0.49)


@dataclass
class PluginAggregate(AggregateConfig):
    """A rule of another package (`ganns.plugins`), which decides whether it uses `hostile`."""

    hostile: float = number(0.2, 0, 0.49)


def num_hostile(share: float, num_results: int) -> int:
    """Return how many of `num_results` results may be wrong: the share of them, rounded up."""
    return math.ceil(share * num_results - 1e-9)


def least_results(name: str, hostile: int) -> int:
    """Return the least number of results with which a rule bears `hostile` wrong ones, as its paper says."""
    return {"trimmed_mean": 2 * hostile + 1, "multi_krum": 2 * hostile + 3}.get(name, 1)
