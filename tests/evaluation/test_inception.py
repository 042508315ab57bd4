"""Inception with random weights, which need no download: the same code as with the real ones, from file to metrics."""

from __future__ import annotations

import math
import os
import pickle
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import torch

from ganns.config import EvaluateConfig
from ganns.errors import MissingExtra
from ganns.evaluation import batches, features, metrics
from ganns.training.state import TrainingState
from tests.support.fakes import tiny


@pytest.fixture
def weights_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the download of the weights is kept; nothing is there yet."""
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / Path(urlsplit(URL_INCEPTION_V3).path).name
    path.parent.mkdir(parents=True)
    return path


def random_weights(monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    from torch_fidelity import feature_extractor_inceptionv3 as module

    with monkeypatch.context() as patched, torch.random.fork_rng():
        torch.manual_seed(0)
        patched.setattr(module, "load_state_dict_from_url", lambda *_, **__: None)
        patched.setattr(module.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        return module.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"]).state_dict()


@pytest.mark.slow
def test_from_the_file_of_weights_to_metrics(weights_file, monkeypatch):
    torch.save(random_weights(monkeypatch), weights_file)
    config = tiny(evaluate=EvaluateConfig(features="inception", images=6))
    network = features.feature_network(1, config, None)
    generator = batches.build_generator(config, batches.averaged_generator(config, TrainingState(config).tensors()))
    drawn = batches.draw(config, generator, 0, 6)
    found, pixels = batches.join([batches.decode(batches.encode(batches.extract(drawn, network, 0)))])
    assert found.shape == (6, features.NUM_FEATURES["inception"])
    assert found.dtype == torch.float32
    assert float(found.std()) > 0
    assert torch.allclose(features.features_of(network, drawn, batch=4), found, atol=1e-4)
    real = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    shown = metrics.compare(found, pixels, features.features_of(network, real), real)
    wanted = {"swd", "precision", "recall", "pixel_variance", "feature_variance"}
    assert shown.keys() == wanted  # 6 images are too few for the others
    assert all(map(math.isfinite, shown.values()))


@pytest.mark.slow
def test_enough_images_for_2048_features_have_fid_and_kid():
    rng = torch.Generator().manual_seed(0)
    num, width = 2100, features.NUM_FEATURES["inception"]
    real = torch.rand(num, width, generator=rng)
    pixels = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8, generator=rng)
    found = metrics.compare(real + 0.1, pixels, real, pixels)
    # Only the means differ, by 0.1 in each of 2,048 dimensions: FID is the squared distance.
    assert found["fid"] == pytest.approx(0.01 * width, rel=1e-3)
    assert found["kid"] > 0


class Harm:
    """Code in a pickle: unpickling it makes a folder."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.slow  # torch-fidelity's import takes a second
def test_a_file_with_code_in_it_is_refused_before_the_code_runs(weights_file, tmp_path):
    torch.save({"weight": Harm(str(tmp_path / "harm"))}, weights_file)
    with pytest.raises(MissingExtra, match=r"Inception's weights.*cannot be had here \(UnpicklingError"):
        features.Inception()
    assert not (tmp_path / "harm").exists()
    with pytest.raises(OSError, match="Errno"):  # what unpickling does
        pickle.loads(pickle.dumps(Harm(str(tmp_path))))


@pytest.mark.slow
def test_a_damaged_file_is_one_sentence(weights_file):
    weights_file.write_bytes(b"x" * 1000)
    with pytest.raises(MissingExtra, match=r"Inception's weights.*cannot be had here"):
        features.Inception()
