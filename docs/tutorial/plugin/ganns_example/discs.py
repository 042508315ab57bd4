"""A data set: coloured discs, drawn from a seed. A GAN learns them easily."""

import numpy as np

from ganns.data import ImageSet
from ganns.data.sources.fingerprint import of_recipe
from ganns.data.sources.source import Origin

VERSION = 1  # raise it when you change the images: the fingerprint then changes too


def discs(data, image_size):
    """Draw `data.count` images to train on and `data.holdout` more, of `image_size` pixels."""
    num = data.count + data.holdout
    rng = np.random.RandomState(data.seed)  # the same numbers on every machine and in every version of NumPy
    x, y, radius = rng.uniform([0.3, 0.3, 0.1], [0.7, 0.7, 0.3], (num, 3)).T.reshape(3, num, 1, 1)
    colours = rng.randint(0, 256, (num, 2, 3))  # of the background, and of the disc

    across = (np.arange(image_size) + 0.5) / image_size
    inside = (across - x) ** 2 + (across[:, None] - y) ** 2 < radius**2  # [num, S, S]
    pixels = np.where(inside[:, None], colours[:, 1, :, None, None], colours[:, 0, :, None, None])  # [num, 3, S, S]

    fingerprint = of_recipe("discs", VERSION, data.seed, data.count, data.holdout)
    origin = Origin("discs", data.count, fingerprint, "install the ganns-example that the coordinator has")
    return ImageSet(pixels.astype(np.uint8), origin)
