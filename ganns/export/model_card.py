"""The model card of an exported generator: its description, its training data, and its contributors.

Mitchell et al., "Model Cards for Model Reporting", arXiv 1810.03993. The page is Markdown; hubs read the lines between
--- at its top.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ganns.config import NAMES, Config
from ganns.export.model import ONNX, SAMPLES, labels_in_words, public_settings
from ganns.export.trained_run import Facts
from ganns.training.networks import parameters_of
from ganns.training.state import TrainingState

DATA = {
    "synthetic": "Faces drawn by a program (`ganns/data/sources/faces.py`), the same on every machine. No real people.",
    "celeba": "CelebA (Liu et al., ICCV 2015, arXiv 1411.7766): photographs of well-known people.",
    "image_folder": "A folder of images, which was given at the start of the run.",
    "packed": "A packed data set, which a web server gave to the class.",
}
RIGHTS = {
    "synthetic": (
        "The images were drawn by the program itself, so no rights of others are in them. The license above is the "
        "program's; the person who publishes the model may choose another one."
    ),
    "celeba": (
        "CelebA is there for non-commercial research only, and its makers do not own the photographs. Each user "
        "agrees not to exploit the images, or works derived from them, commercially. Read its terms before you "
        "pass this model on, and do not take a generated face for a person's."
    ),
    "image_folder": (
        "This program does not know under which terms the images may be used. The person who publishes the model "
        "should say here where they come from, and whether people in them agreed."
    ),
}
RIGHTS["packed"] = RIGHTS["image_folder"]
TERMS = {
    "synthetic": {"license": "mit"},  # as the program that draws them
    "celeba": {
        "license": "other",
        "license_name": "celeba-agreement",
        "license_link": "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    },
}
"""The license, as hubs read it. This program does not know the terms of other images."""
UNKNOWN_TERMS = {"license": "unknown"}
MEANINGS = {
    "d_loss": "D's loss in nats; guessing gives 1.39",
    "g_loss": "G's loss in nats; guessing gives 0.69",
    "d_real": "D's mean probability of “real” for real images",
    "d_fake": "D's mean probability of “real” for generated images",
    "swd": "sliced Wasserstein distance to held-out images, in thousandths; lower is better",
    "fid": "Fréchet distance of features; lower is better, and comparable for one feature network only",
    "kid": "kernel distance of features, in thousandths; lower is better, and comparable for one feature network only",
    "pixel_variance": "how much images differ, over how much real ones do; near 0: all are one",
    "feature_variance": "the same of features",
}


def model_card(state: TrainingState, facts: Facts, *, averaged: bool, onnx: bool = False) -> str:
    """Return the card of a generator.

    Args:
        state: the exported version.
        facts: of its run. Users typed the names in them, so the card shows these as plain text.
        averaged: whether it is the moving average of the generator.
        onnx: whether the folder holds an ONNX file too.
    """
    config = state.config
    return "\n".join(
        [
            *_front(config),
            f"# {_text(facts.name or config.name) or 'An image generator'}",
            "",
            f"![Samples, all from the same noise as during training]({SAMPLES})",
            "",
            *_what(state, averaged),
            *_use(config, onnx),
            *_data(config, facts),
            *_training(state, facts),
            *_contributors(facts),
            *_limits(config),
            *_settings(config),
        ]
    )


def _front(config: Config) -> list[str]:
    size, networks = config.model.image_size, config.model.name if config.model.name in NAMES["model"] else "custom"
    tags = ["gan", networks, "ganns-with-friends", f"{size}x{size}"]
    if config.data.name in TERMS:
        tags.append(config.data.name)  # the data set
    if config.model.conditional:
        tags.append("conditional")
    front = ["---", "library_name: ganns", "pipeline_tag: unconditional-image-generation"]
    front += [f"{key}: {value}" for key, value in TERMS.get(config.data.name, UNKNOWN_TERMS).items()]
    return [*front, "tags:", *(f"  - {tag}" for tag in tags), "---", ""]


def _what(state: TrainingState, averaged: bool) -> Iterator[str]:
    config, size = state.config, state.config.model.image_size
    count = sum(tensor.numel() for tensor in parameters_of(state.networks["g"]).values())
    which = (
        f"the moving average of its weights (decay {config.optimizer.ema_decay})" if averaged else "its last weights"
    )
    yield from (
        f"{_kind(config)}: {config.model.latent_dim} numbers of noise "
        f"in, one image of {size}x{size} pixels out; {count:,} parameters, {which}. It was trained with",
        "GANNs with friends: many machines compute gradients, and a database is all that connects them.",
        "",
    )
    if config.model.conditional:
        names = ", ".join(_text(name) for name in config.model.labels)
        yield from (f"Attributes can be chosen: {names}. Each is a number from 0 (absent) to 1 (there).", "")


def _kind(config: Config) -> str:
    if config.model.name in NAMES["model"]:
        return "The generator of a DCGAN (Radford et al. 2015, arXiv 1511.06434)"
    package = config.plugins.get("model", "another package")
    return f"The generator of the networks {_code(config.model.name)}, for which {_code(package)} must be installed"


def _use(config: Config, onnx: bool) -> Iterator[str]:
    latent = config.model.latent_dim
    yield from (
        "## Use it",
        "",
        "```python",
        "import torch",
        "from ganns.export.model import load",
        "from ganns.pictures.grid import save_grid",
        "",
        'generator = load("this-folder")  # checks every file; nothing is unpickled',
        "with torch.no_grad():",
        *(
            (
                f"    labels = torch.zeros(16, {len(config.model.labels)})  # {', '.join(config.model.labels)}",
                "    labels[:, 0] = 1",
            )
            if config.model.conditional
            else ()
        ),
        f"    images = generator(torch.randn(16, {latent}){', labels' if config.model.conditional else ''})"
        f"  # [16, 3, {config.model.image_size}, {config.model.image_size}] in [-1, 1]",
        'save_grid(images, "faces.png", columns=4)',
        "```",
        "",
        "Or without a line of Python: `ganns sample --from this-folder --out faces.png`.",
        "",
    )
    if onnx:
        yield from (
            f"`{ONNX}` is the same network for programs without PyTorch: input `latent` float32 [N, {latent}] from a "
            "standard normal",
            "distribution, output `images`."
            + (f" A second input, `{labels_in_words(config.model)}`." if config.model.conditional else ""),
            "",
        )


def _data(config: Config, facts: Facts) -> Iterator[str]:
    yield from ("## Data", "", DATA.get(config.data.name, DATA["image_folder"]))
    if facts.num_images:
        yield f"{facts.num_images:,} images to train on; the data's fingerprint is `{_text(facts.fingerprint)}`."
    yield from ("", RIGHTS.get(config.data.name, RIGHTS["image_folder"]), "")


def _training(state: TrainingState, facts: Facts) -> Iterator[str]:
    progress = state.progress
    rows: list[tuple[str, str]] = [
        ("rounds", f"{progress.version:,}"),
        ("images seen, repeats counted", f"{progress.images:,}"),
        ("time of training", _duration(progress.seconds)),
    ]
    if facts.run_id is not None:
        rows.insert(0, ("run", str(facts.run_id)))
    yield from ("## Training", "", *_table(("quantity", "value"), rows))
    if facts.metrics:
        named = [(_text(key), f"{value:.4g}", MEANINGS.get(key, "")) for key, value in sorted(facts.metrics.items())]
        yield from ("Numbers of this version:", "", *_table(("metric", "value", "meaning"), named))


def _contributors(facts: Facts) -> Iterator[str]:
    if not facts.contributors:
        return
    rows = [(_text(one.name), f"{one.units:,}", f"{one.images:,}", f"{one.late:,}") for one in facts.contributors]
    yield from ("## Who trained it", "", *_table(("name", "units", "images", "late"), rows))
    yield from ("A unit is a slice of images; a late one was computed, but its round was closed already.", "")


def _limits(config: Config) -> Iterator[str]:
    size = config.model.image_size
    yield from (
        "## Limits",
        "",
        f"- Images have {size}x{size} pixels, and "
        + (
            "only the attributes above can be chosen: an attribute may be drawn badly, or changed together with others."
            if config.model.conditional
            else "no setting chooses their content: noise in, an image out."
        ),
        "- It draws the kinds of images of its data, in the same shares. Rare kinds are rare or missing here.",
        "- A GAN can repeat itself (mode collapse). Look at many samples, not at the best ones.",
        "- Made for teaching and for trying things out; for nothing that decides about people.",
        "",
    )


def _settings(config: Config) -> Iterator[str]:
    rows = [(_code(key), _code(value)) for key, value in _flat(public_settings(config)) if value not in (None, "")]
    yield from ("## Settings", "", *_table(("setting", "value"), rows))


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _text(words: str) -> str:
    """Return a user's words as one line of Markdown that shows them as plain text."""
    return re.sub(r"([\\`*_{}\[\]()#!|~])", r"\\\1", html.escape(" ".join(words.split()), quote=False))


def _code(value: object) -> str:
    """Return a value between backticks, safe for one table cell."""
    return "`" + " ".join(str(value).split()).replace("`", "'").replace("|", "\\|") + "`"


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s"
