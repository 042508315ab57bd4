"""The images for training: batches of floats from a memory-mapped array."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ganns.errors import DataError, DatasetMismatch

if TYPE_CHECKING:
    import torch

    from ganns.data.packed.reader import PackedPixels
    from ganns.data.sources.source import Origin


class ImageSet:
    """Training and held-out images of one source, decoded at one size."""

    def __init__(self, pixels: np.ndarray | PackedPixels, source: Origin) -> None:
        """Serve `pixels`, uint8 [num, 3, S, S]: first the training images, then the held-out ones."""
        self._pixels, self._source = pixels, source
        self.fingerprint = source.fingerprint
        self.num_train = source.num_train
        self.num_holdout = len(pixels) - source.num_train

    def train(self, indices: np.ndarray) -> torch.Tensor:
        """Return training images, float32 [N, 3, S, S] in [-1, 1]; indices int64 [N] in [0, num_train).

        Raises:
            DataError: for an index out of range.
        """
        if len(indices) and not (int(indices.min()) >= 0 and int(indices.max()) < self.num_train):
            raise DataError(f"Image {int(indices.max())} was asked for; there are {self.num_train} training images.")
        return _to_float(self._pixels[indices])

    def holdout(self, num: int) -> torch.Tensor:
        """Return the first `num` held-out images, float32 [num, 3, S, S] in [-1, 1].

        Raises:
            DataError: if there are fewer.
        """
        if num > self.num_holdout:
            raise DataError(f"{num} held-out images were asked for; there are {self.num_holdout} (data.holdout).")
        return _to_float(self._pixels[self.num_train : self.num_train + num])

    def check(self, expected: str) -> None:
        """Check that these are the images of a run.

        Raises:
            DatasetMismatch: if their fingerprint is not `expected`, saying how to get the right ones.
        """
        if self.fingerprint != expected:
            raise DatasetMismatch(
                f"This machine's {self._source.name} images have the fingerprint {self.fingerprint}, and the run's "
                f"have {expected}: they are not the same images. Get the right ones: {self._source.how_to_get}."
            )


def _to_float(pixels: np.ndarray) -> torch.Tensor:
    """Map uint8 0..255 to float32 -1..1."""
    import torch

    return torch.from_numpy(np.array(pixels)).float().div_(127.5).sub_(1.0)
