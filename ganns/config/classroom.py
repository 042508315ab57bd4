"""Define the groups of how a class works together: `audit`, `codec`, `store`, `quorum`, `db`, `evaluate` and `stop`."""

from __future__ import annotations

from dataclasses import dataclass

from ganns.config.fields import TINY, YEAR_S, choice, number


@dataclass
class AuditConfig:
    """Results that are computed again, and compared (docs/explain/robust.md).

    Each of the first results of `of` is, until `first` in a row agreed; then at most the `share` of them. `failures`
    wrong ones in a run end a login's part in it.
    """

    of: str = choice("students", ("students", "everyone", "nobody"))
    first: int = number(10, 0, 10000)
    share: float = number(0.1, 0, 1)
    failures: int = number(3, 1, 1000)


UP = ("fp32", "fp16", "int8", "int4", "rot2")
DOWN = ("fp32", "int8", "chain")


@dataclass
class CodecConfig:
    """The keys of every option of `codec`, the coding of tensors as bytes: `up` of results, `down` of weights."""

    name: str
    up: str = choice("fp32", UP)
    down: str = choice("fp32", DOWN)


@dataclass
class Fp32Codec(CodecConfig):
    """Exact."""

    name: str = "fp32"


@dataclass
class Fp16Codec(CodecConfig):
    """Half the bytes."""

    name: str = "fp16"
    up: str = choice("fp16", UP)


@dataclass
class Int8Codec(CodecConfig):
    """A quarter of the bytes."""

    name: str = "int8"
    up: str = choice("int8", UP)
    down: str = choice("int8", DOWN)


@dataclass
class HomeCodec(CodecConfig):
    """A fifteenth of the bytes up and a seventh down, for workers at home."""

    name: str = "home"
    up: str = choice("rot2", UP)
    down: str = choice("chain", DOWN)


@dataclass
class AutoCodec(CodecConfig):
    """The option that fits the workers' links, as they are when the run is created; `home` if nothing is known."""

    name: str = "auto"
    up: str = choice("rot2", UP)
    down: str = choice("chain", DOWN)


@dataclass
class StoreConfig:
    """The keys of every option of `store`, a place outside the database that has the weights, too."""

    name: str


@dataclass
class NoStore(StoreConfig):
    """The database alone has the weights."""

    name: str = "none"


@dataclass
class S3Store(StoreConfig):
    """A bucket of an S3-compatible store; its credentials come from the environment, and are no settings.

    `endpoint` is the address of a store that is not Amazon's. `url` is an address at which all can read the bucket,
    such as a content delivery network's: workers try it first, and then a signed address of the store.
    """

    name: str = "s3"
    bucket: str = ""
    endpoint: str | None = None
    url: str | None = None


@dataclass
class QuorumConfig:
    """The results that close a round; without `deadline_s` it waits for all `units`."""

    units: int = number(4, 1, 10000)
    spares: int = number(0, 0, 10000)
    deadline_s: float | None = number(None, TINY, YEAR_S)
    grace_s: float = number(0.0, 0, 3600)


@dataclass
class DbConfig:
    """Checkpoints, the number of versions whose weights stay, and when a login is shut out (0: never).

    The whole state of every `keep_state_every`-th version (0: of none) stays on the coordinator's disk, within
    `keep_state_gb`.
    """

    checkpoint_s: float = number(60.0, 0, YEAR_S)
    keep_versions: int = number(2, 2, 10000)  # the newest version, and the one in use
    keep_state_every: int = number(0, 0, 10**9)
    keep_state_gb: float = number(1.0, 0, 10**6)
    revoke_after: int = number(0, 0, 10**6)  # of its sessions were ended within a day


@dataclass
class EvaluateConfig:
    """The comparison with held-out images: rounds between two (0: never), number of images, features."""

    every: int = number(100, 0, 10**9)
    images: int = number(2000, 2, 10000)
    features: str = choice("attributes", ("attributes", "inception"))


@dataclass
class StopConfig:
    """When the run ends: as soon as one limit is reached; at least one is needed."""

    rounds: int | None = number(None, 1, 10**12)
    epochs: int | None = number(None, 1, 10**9)
    minutes: float | None = number(None, TINY, YEAR_S // 60)
