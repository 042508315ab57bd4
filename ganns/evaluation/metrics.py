"""Compare generated images with real ones: distances, precision and recall, and two variances.

`swd` compares patches of pixels (`ganns.evaluation.swd`); `fid` and `kid` compare features, through torchmetrics;
`precision` and `recall` compare regions of features (`ganns.evaluation.coverage`).

FID (Heusel et al., arXiv 1706.08500) fits a normal distribution to the features of each set and returns the Fréchet
distance between the two. It needs float64, since it takes a root of a product of covariances, and more images than
features, since with fewer a covariance has no full rank; with few images it is too large for any images.
KID (Binkowski et al., arXiv 1801.01401) is the squared maximum mean discrepancy with a cubic kernel: unbiased, so
it can be a little below 0.

Shapes: N images, F features.
"""

from __future__ import annotations

import warnings

import torch
from torch import nn

from ganns.errors import BadResult
from ganns.evaluation.coverage import NEIGHBOUR, precision_and_recall
from ganns.evaluation.features import to_floats
from ganns.evaluation.swd import sliced_wasserstein
from ganns.training.seeds import latent_vectors
from ganns.training.state import TrainingState

KID_SUBSETS, KID_SUBSET = 50, 500
SCALE = 1e3  # KID is reported in thousandths, like the sliced Wasserstein distance
TINY = 1e-9  # divides in place of a variance of 0, where all real images are equal


class _Given(nn.Module):
    """Replaces the feature network of torchmetrics: it returns its input, features that were computed before."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


def compare(
    fake_features: torch.Tensor, fake_pixels: torch.Tensor, real_features: torch.Tensor, real_pixels: torch.Tensor
) -> dict[str, float]:
    """Return the metrics of generated images against real ones.

    Args:
        fake_features: float32 [N, F] of generated images.
        fake_pixels: uint8 [M, 3, S, S], the first M of these images.
        real_features: float32 [N', F] of held-out real images.
        real_pixels: uint8 [M', 3, S, S], the first M' of these images.

    Returns:
        "swd", "pixel_variance" and "feature_variance"; with more than 3 images in both sets also "precision" and
        "recall"; with more images than features in both sets also "fid" and "kid".

    Raises:
        BadResult: if the features do not fit, or are not finite.
    """
    if fake_features.shape[1:] != real_features.shape[1:] or not bool(fake_features.isfinite().all()):
        raise BadResult(
            f"Features {list(fake_features.shape)} of generated images cannot be compared with "
            f"{list(real_features.shape)} of real ones: they do not fit, or are not finite."
        )
    metrics = {
        "swd": sliced_wasserstein(to_floats(fake_pixels), to_floats(real_pixels)),
        "pixel_variance": _variance(fake_pixels.flatten(1)) / max(_variance(real_pixels.flatten(1)), TINY),
        "feature_variance": _variance(fake_features) / max(_variance(real_features), TINY),
    }
    fewest = min(len(fake_features), len(real_features))
    if fewest > NEIGHBOUR:
        metrics["precision"], metrics["recall"] = precision_and_recall(fake_features, real_features)
    if fewest > fake_features.shape[1]:
        metrics["fid"] = frechet_distance(fake_features, real_features)
        metrics["kid"] = kernel_distance(fake_features, real_features)
    return metrics


def sample_distance(
    state: TrainingState,
    real: torch.Tensor,
    seed_parts: tuple[int | str, ...],
    *,
    averaged: bool,
    labels: torch.Tensor | None = None,
    **options: int,
) -> float:
    """Return the sliced Wasserstein distance between a version's samples and real images.

    Args:
        state: the version.
        real: float32 [N, 3, S, S] in [-1, 1]; the same number of samples is drawn.
        seed_parts: seed the noise that the samples are drawn from.
        averaged: draw with the averaged generator, else with the generator itself.
        labels: float32 [N, A], the real images' labels, which a conditional generator gets.
        options: of `sliced_wasserstein`.
    """
    latent = latent_vectors(len(real), state.config.model.latent_dim, *seed_parts)
    return sliced_wasserstein(state.draw(latent, averaged=averaged, labels=labels), real, **options)


def frechet_distance(fake: torch.Tensor, real: torch.Tensor) -> float:
    """Return FID of features [N, F] and [N', F], in float64."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_Given(fake.shape[1]))
    metric.update(real.double(), real=True)
    metric.update(fake.double(), real=False)
    return float(metric.compute())


def kernel_distance(fake: torch.Tensor, real: torch.Tensor) -> float:
    """Return KID of features [N, F] and [N', F], in thousandths: the mean over random subsets from a fixed seed."""
    from torchmetrics.image.kid import KernelInceptionDistance

    size = min(KID_SUBSET, len(fake), len(real))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it warns of the memory for all features: they are few
        metric = KernelInceptionDistance(feature=_Given(fake.shape[1]), subsets=KID_SUBSETS, subset_size=size)
    metric.update(real.double(), real=True)
    metric.update(fake.double(), real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # torchmetrics draws its subsets from the global generator
        mean, _ = metric.compute()
    return SCALE * float(mean)


def _variance(points: torch.Tensor) -> float:
    """Return the total variance of points [N, D]: how much they differ from each other."""
    return float(points.double().var(dim=0).sum())
