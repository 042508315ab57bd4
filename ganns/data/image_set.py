"""The images for training: batches of floats from a memory-mapped array."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ganns.errors import DataError, DatasetMismatch

if TYPE_CHECKING:
    import torch

    from ganns.data.attributes import Attributes
    from ganns.data.packed.reader import PackedPixels
    from ganns.data.sources.source import Origin


class ImageSet:
    """Training and held-out images of one source, decoded at one size."""

    def __init__(
        self,
        pixels: np.ndarray | PackedPixels,
        source: Origin,
        attributes: Callable[[], Attributes] | None = None,
    ) -> None:
        """Serve `pixels`, uint8 [num, 3, S, S]: first the training images, then the held-out ones.

        `attributes` reads what the images show, in the same order; it is called at the first need.
        """
        self._pixels, self._source, self._attributes = pixels, source, attributes
        self._labels: np.ndarray | None = None  # uint8 [num, A]
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

    def labelled(self, names: Sequence[str]) -> ImageSet:
        """Return the same images with these attributes as labels; the fingerprint is of both.

        Raises:
            DataError: if the images carry no attributes, or not these.
        """
        if self._attributes is None:
            raise DataError(
                f"The {self._source.name} images carry no attributes, which model.conditional=true needs. Use "
                "data=synthetic, or CelebA with its list_attr_celeba.txt, or a pack that was made of one of them; "
                "or set model.conditional=false."
            )
        labels = self._attributes().select(names, self._source.name)
        text = f"{self.fingerprint} {','.join(names)}".encode() + labels.tobytes()
        source = replace(self._source, fingerprint=hashlib.sha256(text).hexdigest()[:32])
        found = ImageSet(self._pixels, source, self._attributes)
        found._labels = labels
        return found

    def labels(self, indices: np.ndarray) -> torch.Tensor | None:
        """Return training images' labels, float32 [N, A] of 0 and 1; None unless they are `labelled`."""
        return None if self._labels is None else _to_labels(self._labels[indices])

    def holdout_labels(self, num: int) -> torch.Tensor | None:
        """Return the labels of the first `num` held-out images, float32 [num, A]; None unless they are `labelled`."""
        return None if self._labels is None else _to_labels(self._labels[self.num_train : self.num_train + num])

    def check(self, expected: str) -> None:
        """Check that these are the images of a run.

        Raises:
            DatasetMismatch: if their fingerprint is not `expected`, saying how to get the right ones.
        """
        if self.fingerprint != expected:
            also = "" if self._labels is None else ", or have other attributes"
            raise DatasetMismatch(
                f"This machine's {self._source.name} images have the fingerprint {self.fingerprint}, and the run's "
                f"have {expected}: they are not the same images{also}. Get the right ones: {self._source.how_to_get}."
            )


def _to_float(pixels: np.ndarray) -> torch.Tensor:
    """Map uint8 0..255 to float32 -1..1."""
    import torch

    return torch.from_numpy(np.array(pixels)).float().div_(127.5).sub_(1.0)


def _to_labels(values: np.ndarray) -> torch.Tensor:
    """Map uint8 0 and 1 to float32."""
    import torch

    return torch.from_numpy(np.array(values)).float()
