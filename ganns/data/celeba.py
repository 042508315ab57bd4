"""CelebA (Liu et al. 2015) through torchvision's dataset class, which knows the files and their checksums.

Its own training split is trained on; its validation split is held out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganns import resources
from ganns.errors import DataError


def dataset_class() -> Any:
    """Return torchvision's CelebA (a test replaces it by a subclass that accepts generated files)."""
    from torchvision.datasets import CelebA

    return CelebA


def find(path: str | None) -> tuple[list[str], int]:
    """Return (the files of the training split followed by those of the validation split, the former's number).

    Args:
        path: the folder that contains `celeba/`; None means data/ below the ganns home.

    Raises:
        DataError: if torchvision finds files missing or corrupted.
    """
    root = Path(path).expanduser() if path else resources.home() / "data"
    files: list[list[str]] = []
    for split in ("train", "valid"):
        try:
            found = dataset_class()(root=str(root), split=split, target_type="attr", download=False)
        except (RuntimeError, OSError, ValueError) as error:
            raise DataError(
                f"CelebA is not (whole) in {root / 'celeba'} ({str(error).splitlines()[0]}) Put img_align_celeba/ and "
                "the list_*.txt files of the CelebA project there, or set data.path to the folder that contains "
                "celeba/, or use data=synthetic."
            ) from error
        folder = Path(found.root) / found.base_folder / "img_align_celeba"
        files.append([str(folder / name) for name in found.filename])
    if not files[0]:
        raise DataError(f"CelebA in {root / 'celeba'} has no training images; get its list files again.")
    return files[0] + files[1], len(files[0])
