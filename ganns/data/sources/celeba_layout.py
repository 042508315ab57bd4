"""Write CelebA's folder layout: the list files for the images, in the format of the real ones.

celeba/img_align_celeba/000001.jpg ...
celeba/list_attr_celeba.txt            count; 40 names; "000001.jpg -1  1 ..."
celeba/list_bbox_celeba.txt            count; header; "000001.jpg  x y width height"
celeba/list_landmarks_align_celeba.txt count; header; ten coordinates
celeba/list_eval_partition.txt         "000001.jpg 0": 0 training, 1 validation, 2 test
celeba/identity_CelebA.txt             "000001.jpg 2880"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

ATTRIBUTES = [
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Bald",
    "Bangs",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Blurry",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Chubby",
    "Double_Chin",
    "Eyeglasses",
    "Goatee",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
]
LANDMARKS = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"


def image_name(number: int) -> str:
    """Return the file name of image `number`, counted from 0."""
    return f"{number + 1:06}.jpg"


def write_lists(folder: Path, attributes: Sequence[Mapping[str, bool]], num_train: int, size: tuple[int, int]) -> None:
    """Write the five list files for images; `attributes` has their order.

    Args:
        folder: the `celeba` folder.
        attributes: for each image, the names of those that it has; all others are absent (-1).
        num_train: number of training images, which come first; the others are validation.
        size: width and height of the images, in pixels.
    """
    names = [image_name(number) for number in range(len(attributes))]
    width, height = size
    points = [(0.37, 0.5), (0.63, 0.5), (0.5, 0.6), (0.4, 0.69), (0.6, 0.69)]
    landmarks = " ".join(f"{round(x * width)} {round(y * height)}" for x, y in points)
    flags = [" ".join(" 1" if one.get(key) else "-1" for key in ATTRIBUTES) for one in attributes]
    head = f"{len(names)}\n"
    files = {
        "list_attr_celeba.txt": head + " ".join(ATTRIBUTES) + "\n" + _lines(names, flags),
        "list_bbox_celeba.txt": head + "image_id x_1 y_1 width height\n" + _lines(names, f"0 0 {width} {height}"),
        "list_landmarks_align_celeba.txt": head + LANDMARKS + "\n" + _lines(names, landmarks),
        "list_eval_partition.txt": _lines(names, ["0" if k < num_train else "1" for k in range(len(names))]),
        "identity_CelebA.txt": _lines(names, [str(k + 1) for k in range(len(names))]),
    }
    for name, text in files.items():
        (folder / name).write_text(text)


def _lines(names: Sequence[str], values: Sequence[str] | str) -> str:
    values = [values] * len(names) if isinstance(values, str) else values
    return "".join(f"{name} {value}\n" for name, value in zip(names, values, strict=True))
