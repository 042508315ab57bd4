"""The whole state of a training run, and the step that advances it.

`TrainingState` holds all of version `v`: both networks, the optimizers' moments, the averaged generator and the cursor
in the epochs; with `strategy.pipeline` also the weights of version `v - 1`, at which the units of round `v` are
computed; and with `codec.down=chain` the published weights, which follow the exact ones (see `chain`). `advance` turns
it into version `v + 1`, as a function of itself and the aggregated results alone: for `strategy=gradient` a step of
Adam, for `local_steps` one of the outer optimizer. It can be written to bytes and read back bit for bit; there is no
random state (see `seeds`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from ganns.config import Config, LocalStepsStrategy
from ganns.errors import PayloadError
from ganns.training.aggregation import Accumulator
from ganns.training.batchnorm import measure_statistics
from ganns.training.chain import CHAIN, Link, next_link
from ganns.training.clipping import NUM_NORMS
from ganns.training.networks import make, parameters_of, sample, statistics_of
from ganns.training.optimizers import adam, outer
from ganns.training.plan import Cursor, ends, num_steps, share_done
from ganns.training.probe import build_checked
from ganns.training.seeds import sample_labels
from ganns.training.serialization import digest, metadata, pack, unpack, write_file

Tensors = dict[str, torch.Tensor]
PREVIOUS = "previous."  # prefix of the version before's weights among the state's tensors
PUBLISHED = "published."  # prefix of a chain's weights among them
BATCHNORM_MOMENTUM = 0.1  # PyTorch's default; here applied once a round to the pooled statistics


@dataclass(frozen=True)
class Progress:
    """The counters of a version, beside its tensors."""

    version: int = 0
    images: int = 0  # accepted so far
    steps: int = field(default=0, kw_only=True)  # of G, one after the other: how far the average's decay has grown
    seconds: float = 0.0  # of training, summed over resumes
    cursor: Cursor = field(default_factory=Cursor)


class TrainingState:
    """Version `progress.version` of a run."""

    def __init__(self, config: Config) -> None:
        """Build version 0 from the run's seed.

        Raises:
            PluginError: if the run's networks are a plug-in that is missing, or cannot be used.
        """
        self.config = config
        self.progress = Progress()
        gen, disc = build_checked(config.model, config.seed)
        self.networks: dict[str, nn.Module] = {"g": gen, "d": disc}
        self.ema: Tensors = {name: value.clone() for name, value in parameters_of(gen).items()}
        self.norms: dict[str, list[float]] = {"g": [], "d": []}  # of the last accepted results, see `clipping`
        self.previous: Tensors = {}  # the weights of the version before, where the open round's units need them
        strategy = config.strategy
        self.local = isinstance(strategy, LocalStepsStrategy)
        rates = {"g": config.optimizer.lr_g, "d": config.optimizer.lr_d}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            role: outer(network, strategy)
            if isinstance(strategy, LocalStepsStrategy)
            else adam(network, config.optimizer, rates[role])
            for role, network in self.networks.items()
        }
        self.begin_chain()

    def begin_chain(self) -> None:
        """With `codec.down=chain`: publish the exact weights, whole. No one has weights that a link could lead from."""
        is_chain = self.config.codec.down == CHAIN
        self.published: Tensors = {name: w.clone() for name, w in self.weights().items()} if is_chain else {}
        self.link: Link | None = None  # of this version, from the one before

    @torch.no_grad()
    def advance(self, totals: dict[str, Accumulator], progress: Progress, in_round: Config | None = None) -> None:
        """Become the next version: one step of each network along the combined result, both from the same version.

        Args:
            totals: for "g" and "d", the accepted results, added in unit order.
            progress: the counters afterwards; the version and the steps are set here.
            in_round: the configuration with the round's settings (`per_class`); None: the run's.
        """
        if self.config.strategy.pipeline:
            published = self.weights_of(self.progress.version)
            self.previous = {name: value.clone() for name, value in published.items()}
        for role, network in self.networks.items():
            self.norms[role] = [*self.norms[role], *totals[role].norms][-NUM_NORMS:]
            gradients = totals[role].combine()
            for name, parameter in network.named_parameters():
                # Adam's fused implementation goes through memory and ignores strides: it would apply a channels_last
                # gradient to the wrong weights, without an error.
                parameter.grad = gradients[name].contiguous()
            if in_round is not None and not self.local:
                self.optimizers[role].param_groups[0]["lr"] = getattr(in_round.optimizer, f"lr_{role}")
            self.optimizers[role].step()
            self.optimizers[role].zero_grad(set_to_none=True)
            buffers = statistics_of(network)
            for name, value in totals[role].statistics().items():
                # `local_steps` pools many batches a round, of weights that moved far since the last one.
                buffers[name].lerp_(value, 1.0 if self.local else BATCHNORM_MOMENTUM)
        steps = self.num_steps(in_round)
        self.progress = replace(progress, version=self.progress.version + 1, steps=self.progress.steps + steps)
        self._average(steps)
        if self.published:
            self.link, self.published = next_link(self.published, self.weights())

    def stay(self) -> None:
        """Become the next version without a step: of a round that is replayed without any of its results."""
        if self.config.strategy.pipeline:
            self.previous = {name: value.clone() for name, value in self.weights().items()}
        self.progress = replace(self.progress, version=self.progress.version + 1)

    def take_over(self, other: TrainingState, progress: Progress) -> None:
        """Go on at `progress` with the networks, average and moments of `other`, which must not be used any more."""
        self.networks, self.ema, self.optimizers = other.networks, other.ema, other.optimizers
        self.norms = other.norms
        self.previous = {}  # its round is computed at its own weights
        self.begin_chain()
        self.progress = replace(progress, steps=progress.steps + self.num_steps())

    def num_steps(self, in_round: Config | None = None) -> int:
        """Return the number of G's steps, one after the other, in a round."""
        return num_steps(in_round or self.config) if self.local else 1

    def _average(self, steps: int) -> None:
        """Move the averaged generator: e <- decay * e + (1 - decay) * g. The decay grows with G's steps.

        min(d, (1 + n) / (10 + n)) after n steps moves the average away from the initialisation quickly (as TensorFlow's
        ExponentialMovingAverage with num_updates does). A round of `local_steps` is H steps at once: its decay is
        that of one step to the power of H, so the setting means the same in both strategies.
        """
        n = self.progress.steps
        decay = min(self.config.optimizer.ema_decay, (1 + n) / (10 + n)) ** steps
        current = parameters_of(self.networks["g"])
        torch._foreach_lerp_(list(self.ema.values()), [current[name] for name in self.ema], 1 - decay)

    def weights(self) -> Tensors:
        """Return the exact weights, by "g.<parameter>" and "d.<parameter>"."""
        return {
            f"{r}.{n}": value for r, network in self.networks.items() for n, value in parameters_of(network).items()
        }

    @property
    def base_version(self) -> int:
        """The version that the units of this version's round are computed at; the one before, with a pipeline."""
        return max(0, self.progress.version - bool(self.previous))  # 0: a run may begin with another's state

    def weights_of(self, version: int) -> Tensors:
        """Return the weights to publish as `version`: this one, or `base_version`."""
        if version != self.progress.version:
            return self.previous
        return self.published or self.weights()

    def generator(self, *, averaged: bool) -> nn.Module:
        """Return a copy of the generator for drawing samples: the raw one or the averaged one.

        Its BatchNorm statistics are measured with its own weights.
        """
        copy = make(self.config.model, "g")
        copy.load_state_dict(self.networks["g"].state_dict())
        if averaged:
            copy.load_state_dict(self.ema, strict=False)
        measure_statistics(copy, self.config.model)
        return copy

    def draw(self, latent: torch.Tensor, *, averaged: bool, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Draw images [N, 3, S, S] from latent [N, Z].

        A conditional generator gets labels [N, A]; without them, those of the run's grids (`sample_labels`).
        """
        if labels is None:
            labels = sample_labels(self.config.model, len(latent))
        return sample(self.generator(averaged=averaged), latent, labels)

    def weights_digest(self) -> str:
        """Return the digest of all tensors of this version, to compare two runs bit for bit."""
        return digest(pack(self.tensors()))

    def tensors(self) -> Tensors:
        """Return every tensor of the state by a unique name (they share memory with the state)."""
        tensors = {f"ema.{name}": value for name, value in self.ema.items()}
        for role, network in self.networks.items():
            tensors |= {f"{role}.{name}": value for name, value in parameters_of(network).items()}
            tensors |= {f"{role}.{name}": value for name, value in statistics_of(network).items()}
            for name, parameter in network.named_parameters():
                for key, value in sorted(self.optimizers[role].state.get(parameter, {}).items()):
                    if value is not None:  # SGD without momentum
                        tensors[f"optimizer.{role}.{name}.{key}"] = value
        tensors |= {f"{PREVIOUS}{name}": value for name, value in self.previous.items()}
        return tensors | {f"{PUBLISHED}{name}": value for name, value in self.published.items()}

    def header(self) -> dict[str, str]:
        """Return the metadata that is stored beside the tensors."""
        progress = self.progress
        fields = {name: getattr(progress, name) for name in ("version", "images", "seconds", "steps")}
        return {"ganns": json.dumps(fields | {"cursor": progress.cursor.to_json(), "norms": self.norms})}

    def save(self, path: Path) -> str:
        """Write the state to a file (the caller renames it into place) and return its digest."""
        return write_file(path, self.tensors(), self.header())

    @classmethod
    def from_bytes(cls, config: Config, data: bytes, expected_digest: str | None = None) -> TrainingState:
        """Return the state that `save` wrote.

        Raises:
            PayloadError: if the bytes are not the state of such a model, or have another digest.
        """
        state = cls(config)
        tensors = unpack(data, expected_digest)
        try:
            header = json.loads(metadata(data)["ganns"])
            state._restore(tensors)
            cursor = Cursor.from_json(header["cursor"], config.strategy.unit_images)
            steps = header.get("steps", header["version"] * state.num_steps())  # older versions did not count them
            state.norms |= {role: [float(norm) for norm in found] for role, found in header.get("norms", {}).items()}
        except (KeyError, ValueError, TypeError, RuntimeError) as error:  # RuntimeError: tensors of other shapes
            raise PayloadError(f"{len(data)} bytes are not the state of this run's model ({error}).") from error
        state.progress = Progress(header["version"], header["images"], header["seconds"], cursor, steps=steps)
        return state

    @torch.no_grad()
    def _restore(self, tensors: Tensors) -> None:
        # In the order of `weights`, not of the file: so packing them gives the same bytes again.
        names = self.weights() if self.config.strategy.pipeline else ()
        self.previous = {n: tensors[f"{PREVIOUS}{n}"] for n in names if f"{PREVIOUS}{n}" in tensors}
        for name in self.ema:
            self.ema[name].copy_(tensors[f"ema.{name}"])
        for role, network in self.networks.items():
            for name, value in (parameters_of(network) | statistics_of(network)).items():
                value.copy_(tensors[f"{role}.{name}"])
            for name, parameter in network.named_parameters():
                # None at version 0; and safetensors keep no None
                prefix = f"optimizer.{role}.{name}."
                found = {key.removeprefix(prefix): tensors[key] for key in tensors if key.startswith(prefix)}
                if found:
                    self.optimizers[role].state[parameter] = found
        self.begin_chain()
        if all(f"{PUBLISHED}{name}" in tensors for name in self.published):
            self.published = {name: tensors[f"{PUBLISHED}{name}"] for name in self.published}


def finished(config: Config, progress: Progress) -> bool:
    """Tell whether the run has had its rounds or its minutes (epochs end when there is no slice left)."""
    return share_done(ends(config.stop, progress.version, progress.images, progress.seconds, 0)) == 1.0
