"""Attributes: what an image shows, by CelebA's names, as labels for conditional networks (`model.conditional`).

Shapes: N images, A attributes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ganns.config import nearest
from ganns.errors import ConfigError, DataError

LIST = "list_attr_celeba.txt"
SHORT = {
    "bald": "Bald",
    "bangs": "Bangs",
    "black": "Black_Hair",
    "blond": "Blond_Hair",
    "brown": "Brown_Hair",
    "curls": "Wavy_Hair",
    "glasses": "Eyeglasses",
    "gray": "Gray_Hair",
    "hat": "Wearing_Hat",
    "pale": "Pale_Skin",
    "smile": "Smiling",
}
"""Short names of some attributes, for typing."""


@dataclass(frozen=True)
class Attributes:
    """The attributes of a set of images."""

    names: tuple[str, ...]
    values: np.ndarray  # uint8 [N, A]: 1 for an attribute that the image has, else 0

    def select(self, names: Sequence[str], source: str) -> np.ndarray:
        """Return the columns of these attributes, uint8 [N, len(names)].

        Raises:
            DataError: if one is not among them; it lists those that are.
        """
        for name in names:
            if name not in self.names:
                raise DataError(
                    f"model.attributes names {name}, which the {source} images do not have. They have: "
                    f"{', '.join(self.names)}{nearest(name, self.names)}"
                )
        chosen: np.ndarray = self.values[:, [self.names.index(name) for name in names]]
        return chosen


def read_list(text: str, images: Sequence[str], where: str) -> Attributes:
    """Read the attributes of `images` (file names) from the text of a `list_attr_celeba.txt`.

    Raises:
        DataError: if it is not in CelebA's format, or an image is missing in it.
    """
    lines = text.splitlines()
    names = tuple(lines[1].split()) if len(lines) > 1 else ()
    rows = {line[: line.find(" ")]: line for line in lines[2:]}
    values = np.zeros((len(images), len(names)), np.uint8)
    for number, image in enumerate(images):
        flags = rows.get(image, "").split()[1:]
        if not names or len(flags) != len(names) or not {"1", "-1"}.issuperset(flags):
            raise DataError(f"{where} has no line of {len(names)} attributes for {image}: get the file again.")
        values[number] = [flag == "1" for flag in flags]
    return Attributes(names, values)


def full_name(typed: str, names: Sequence[str]) -> str:
    """Return the attribute that was meant: "Smiling" for "smile", "smiling" or "Smiling".

    Raises:
        ConfigError: if it is none of `names`.
    """
    lower = {name.lower(): name for name in names}
    short = {short: name for short, name in SHORT.items() if name in names}
    found = lower.get(typed.lower()) or short.get(typed.lower())
    if found is None:
        words = [*short, *(name for name in names if name not in short.values())]
        raise ConfigError(
            f"{typed} is no attribute of this model, which has {', '.join(words)}{nearest(typed, [*words, *names])}"
        )
    return found


def read_setting(text: str, names: Sequence[str]) -> dict[str, float]:
    """Read "glasses=1,smile=0.5" as values in [0, 1] by attribute.

    Raises:
        ConfigError: for an unknown attribute, or a value that is no number from 0 to 1.
    """
    found = {}
    for pair in text.split(","):
        name, mark, value = pair.strip().partition("=")
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not mark or not 0 <= number <= 1:
            raise ConfigError(f"{pair.strip()} cannot be read: give an attribute and a number from 0 to 1, glasses=1.")
        found[full_name(name, names)] = number
    return found


def label(values: Mapping[str, float], names: Sequence[str]) -> list[float]:
    """Return one image's label [A]: the given values, and 0 for every other attribute."""
    return [values.get(name, 0.0) for name in names]
