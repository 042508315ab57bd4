"""Feature networks for FID and KID: a small network that has learned faces, or Inception.

FID and KID compare images by the features that a classifier computes from them. The usual classifier is Inception, a
download of 90 MB and seconds of work for a few images on a laptop. Ours is small: it learns the attributes of synthetic
faces (hair, glasses, a smile, ...) in seconds, and the output of its last hidden layer is an image's features.

Shapes: N images of a batch, S their side, F features.
"""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ganns import paths
from ganns.config import Config
from ganns.data.sources.decode import prepare
from ganns.data.sources.faces import draw_face
from ganns.errors import MissingExtra, PayloadError, RunError
from ganns.training.seeds import generator
from ganns.training.serialization import metadata, unpack, write_file
from ganns.utils.atomic import replacing
from ganns.utils.installation import install_command
from ganns.utils.locks import one_at_a_time

VERSION = 1
"""Raise it when the network or its training changes: distances by other features cannot be compared."""
ATTRIBUTES = (
    *("Bald", "Bangs", "Black_Hair", "Blond_Hair", "Brown_Hair", "Eyeglasses", "Gray_Hair"),
    *("Mouth_Slightly_Open", "Pale_Skin", "Smiling", "Wavy_Hair", "Wearing_Hat"),
)
NUM_FEATURES = {"attributes": 64, "inception": 2048}
NUM_FACES, NUM_HELD_OUT, EPOCHS, BATCH = 2000, 500, 8, 50
FACES_SEED = 2**31
"""Larger than `data.seed` may be: the network learns from faces that no run is trained on or compared with."""
PEAK_RATE = 5e-3
WIDTHS = {32: (3, 32, 64, 64), 64: (3, 16, 32, 64, 64), 128: (3, 8, 16, 32, 64, 64)}
"""Channels from the image down to 4x4, by the image's size."""


class Stopped(Exception):
    """The training of the feature network was told to stop; nothing of it is kept."""


def _never() -> bool:
    return False


class AttributeNetwork(nn.Module):
    """Strided convolutions down to 4x4, then 64 features, then one logit an attribute."""

    def __init__(self, image_size: int) -> None:
        """Build for images of `image_size` 32, 64 or 128."""
        super().__init__()
        widths = WIDTHS[image_size]
        layers: list[nn.Module] = []
        for width, wider in pairwise(widths):
            layers += [nn.Conv2d(width, wider, 3, 2, 1, bias=False), nn.BatchNorm2d(wider), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 4 * 4, NUM_FEATURES["attributes"]), nn.ReLU())
        self.head = nn.Linear(NUM_FEATURES["attributes"], len(ATTRIBUTES))
        self.scale: torch.Tensor
        self.register_buffer("scale", torch.ones(()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images float32 [N, 3, S, S] in [-1, 1] to features [N, 64], of variance 1 on average for real faces."""
        features: torch.Tensor = self.layers(images) / self.scale
        return features

    def classify(self, images: torch.Tensor) -> torch.Tensor:
        """Map images to logits [N, A] of the attributes."""
        logits: torch.Tensor = self.head(self.layers(images))
        return logits


class Inception(nn.Module):
    """torchmetrics' InceptionV3, which needs torch-fidelity and its weights."""

    def __init__(self) -> None:
        """Load the network, and download its weights if they are not there.

        Raises:
            MissingExtra: without torch-fidelity, or its weights.
        """
        super().__init__()
        require_features("inception")
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3
            from torchmetrics.image.fid import NoTrainInceptionV3

            # torch-fidelity unpickles the file. So let torch read it first, which accepts nothing but tensors, and
            # keeps it where torch-fidelity looks for it.
            torch.hub.load_state_dict_from_url(URL_INCEPTION_V3, progress=False, check_hash=True, weights_only=True)
            self.network = NoTrainInceptionV3(name="inception-v3-compat", features_list=["2048"])
        # A failed download is an OSError; a wrong file is a RuntimeError, or more than tensors.
        except (ImportError, OSError, RuntimeError, pickle.UnpicklingError) as error:
            raise MissingExtra(
                "Inception's weights, which evaluate.features=inception needs, cannot be had here "
                f"({type(error).__name__}: {str(error)[:200]}). "
                "Get them on a machine with a network, or use evaluate.features=attributes."
            ) from error

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images float32 [N, 3, S, S] in [-1, 1] to features [N, 2048]."""
        features: torch.Tensor = self.network(to_bytes(images))
        return features


def require_features(name: str) -> None:
    """Check that these features can be computed here, before a run needs them.

    Raises:
        MissingExtra: for Inception without torch-fidelity.
    """
    if name == "inception" and importlib.util.find_spec("torch_fidelity") is None:
        raise MissingExtra(
            "evaluate.features=inception needs torch-fidelity, which is not installed: on every machine type "
            f"`{install_command('inception')}`, or use evaluate.features=attributes."
        )


def to_bytes(images: torch.Tensor) -> torch.Tensor:
    """Return float images in [-1, 1] as uint8, as a picture file would have them."""
    return ((images + 1) * 127.5).round_().clamp_(0, 255).byte()


def to_floats(pixels: torch.Tensor) -> torch.Tensor:
    """Return uint8 images as float32 in [-1, 1]."""
    return pixels.float().div_(127.5).sub_(1.0)


@torch.no_grad()
def features_of(network: nn.Module, pixels: torch.Tensor, batch: int = 64) -> torch.Tensor:
    """Return the features, float32 [N, F], of images uint8 [N, 3, S, S]."""
    network.eval()
    return torch.cat([network(to_floats(part)).float() for part in torch.split(pixels, batch)])


def attribute_network(image_size: int, should_stop: Callable[[], bool] = _never) -> tuple[bytes, float]:
    """Return (safetensors bytes, accuracy on held-out faces) of the network for images of this size.

    It is trained once on each machine, in seconds, and then kept in `features/` below the ganns home.

    Raises:
        Stopped: `should_stop`, which the training asks all the time, said so.
    """
    path = paths.home() / "features" / f"attributes-v{VERSION}-{image_size}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(path):
        try:
            data = path.read_bytes()
            load_network(image_size, data)
            return data, float(metadata(data)["accuracy"])
        except (OSError, PayloadError, KeyError):  # it is not there yet, or damaged
            _train_into(path, image_size, should_stop)
        data = path.read_bytes()
    return data, float(metadata(data)["accuracy"])


def load_network(image_size: int, data: bytes, expected_digest: str | None = None) -> AttributeNetwork:
    """Return the network of these bytes.

    Raises:
        PayloadError: if they are not this network, or have another digest than `expected_digest`.
    """
    network = AttributeNetwork(image_size)
    try:
        network.load_state_dict(unpack(data, expected_digest))
    except RuntimeError as error:
        raise PayloadError(f"{len(data)} bytes are no feature network for {image_size}x{image_size} images.") from error
    return network.eval()


def _train_into(path: Path, image_size: int, should_stop: Callable[[], bool]) -> None:
    network, accuracy = train_network(image_size, should_stop=should_stop)
    with replacing(path, locked=True) as part:
        write_file(part, network.state_dict(), {"accuracy": f"{accuracy:.4f}"})


def train_network(
    image_size: int,
    *,
    num_faces: int = NUM_FACES,
    num_held_out: int = NUM_HELD_OUT,
    epochs: int = EPOCHS,
    should_stop: Callable[[], bool] = _never,
) -> tuple[AttributeNetwork, float]:
    """Train the network on synthetic faces, always the same ones in the same order.

    Returns:
        The network, and its accuracy on held-out faces: the mean over the attributes.

    Raises:
        Stopped: `should_stop`, which is asked before each face and each step, said so.
    """
    drawn = []
    for number in range(num_faces + num_held_out):
        _go_on(should_stop)
        drawn.append(draw_face(FACES_SEED, number))
    images = to_floats(torch.from_numpy(np.stack([prepare(image, image_size) for image, _ in drawn])))
    targets = torch.tensor([[float(found.get(name, False)) for name in ATTRIBUTES] for _, found in drawn])
    network, rng = AttributeNetwork(image_size), generator("features", VERSION)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, generator=rng)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    optimizer = torch.optim.Adam(network.parameters())
    num_steps = epochs * len(range(0, num_faces, BATCH))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=num_steps)
    for _ in range(epochs):
        for chosen in torch.split(torch.randperm(num_faces, generator=rng), BATCH):
            _go_on(should_stop)
            loss = binary_cross_entropy_with_logits(network.classify(images[chosen]), targets[chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return network.eval(), _accuracy_and_scale(network, images[num_faces:], targets[num_faces:])


def _go_on(should_stop: Callable[[], bool]) -> None:
    if should_stop():
        raise Stopped


@torch.no_grad()
def _accuracy_and_scale(network: AttributeNetwork, images: torch.Tensor, targets: torch.Tensor) -> float:
    """Return the accuracy on held-out faces, and scale the features to variance 1: their unit would be arbitrary."""
    network.eval()
    network.scale.copy_(network.layers(images).var(dim=0).mean().sqrt())
    return float(((network.classify(images) > 0) == (targets > 0.5)).float().mean())


def feature_network(run_id: int, config: Config, stored: tuple[bytes, str] | None) -> nn.Module:
    """Return the run's feature network; `stored` is (bytes, digest) of the one in the database, or None.

    Raises:
        RunError: if the run needs a stored network and has none yet.
        MissingExtra: for Inception without its package or weights.
    """
    if config.evaluate.features == "inception":
        return Inception()
    if stored is None:
        raise RunError(f"Run {run_id} has no feature network yet: `ganns evaluate {run_id} --here` makes one.")
    return load_network(config.model.image_size, *stored)
