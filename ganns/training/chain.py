"""Weights as a chain of small changes: `codec.down=chain`.

The coordinator keeps the exact weights x, and the published ones w, at which workers compute. A round turns x into x'.
Then q = int4(x' - w) is published, four bits a number, and everyone has w' = w + q. The rounding error stays in x' -
w', and the next change begins with it: nothing is lost, and w follows x. (This is error feedback, as in Seide et al.,
"1-Bit Stochastic Gradient Descent", Interspeech 2014. Only the server needs it, and there is one server.)

A change is of use only to those who have exactly w. So a link of the chain says the digest of the weights that it
starts from, and the version's row says the digest of those at its end. A worker that has no path of links to a
version, or would need more bytes for it, fetches the whole weights; so a chain can begin anew at any version. The sums
are of two numbers each, so that they are the same on every machine; and if they were not, the digest would show it.

Vectors (biases, BatchNorm's scales) are in a link as they are, exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch

from ganns.errors import PayloadError
from ganns.training.compression import quantized
from ganns.training.quantization import Int4Nearest
from ganns.training.serialization import digest, pack, unpack

Tensors = dict[str, torch.Tensor]
CHAIN = "chain"
"""The value of `codec.down`."""
CHANGE = quantized(Int4Nearest())
SEED = ("chain",)
"""The seed of all links, which have no random numbers."""
LONGEST = 7
"""Links that together are smaller than the weights: a link has 4.25 bits for each 32 of these."""


class Link(NamedTuple):
    """A link of the chain, at the coordinator."""

    start: str  # the digest of the weights that it changes
    change: Tensors  # encoded


class Published(NamedTuple):
    """A version's row in the database: it says how to get the weights, before anything is fetched."""

    version: int
    digest: str
    size_bytes: int  # whole
    link_from: str | None  # the digest of the weights that its link changes; None: it has no link
    link_bytes: int | None


def in_order(weights: Mapping[str, torch.Tensor]) -> Tensors:
    """Return the weights in the order in which they are packed: a digest is of bytes."""
    return dict(sorted(weights.items()))


def digest_of(weights: Mapping[str, torch.Tensor]) -> str:
    """Return the digest of published weights, on whichever machine they are."""
    return digest(pack(in_order(weights)))


def next_link(published: Tensors, exact: Mapping[str, torch.Tensor]) -> tuple[Link, Tensors]:
    """Return the link from the published weights towards the exact ones, and the weights at its end."""
    difference = {name: value.clone() if value.dim() < 2 else value - published[name] for name, value in exact.items()}
    link = Link(digest_of(published), CHANGE.encode(difference, SEED))
    return link, _changed(published, link.change)


def follow(weights: Tensors, link: bytes | bytearray, end: str) -> Tensors:
    """Return the weights at the end of a received link.

    Args:
        weights: those that it starts from; their digest was compared.
        link: its bytes, the packed change.
        end: the digest of the weights at its end.

    Raises:
        PayloadError: if the bytes are no change of such weights, or lead elsewhere.
    """
    found = _changed(weights, unpack(link))
    if (reached := digest_of(found)) != end:
        raise PayloadError(f"A link of {len(link)} bytes leads to weights {reached[:12]}..., not to {end[:12]}....")
    return found


def _changed(weights: Tensors, change: Tensors) -> Tensors:
    shapes = {name: tuple(value.shape) for name, value in weights.items()}
    decoded = CHANGE.decode(change, shapes, SEED)
    return {name: decoded[name] if value.dim() < 2 else value + decoded[name] for name, value in weights.items()}


def path(held: str | None, versions: Sequence[Published]) -> list[Published] | None:
    """Return the versions whose links lead from the weights that one holds to the last version, in order.

    Args:
        held: the digest of these weights; None: one has none.
        versions: the wanted version, and those before it, oldest first.

    Returns:
        The versions, none if the weights are the wanted ones; None if the weights are to be fetched whole: there is no
        such path, or it has as many bytes.
    """
    if held is None or not versions:
        return None
    wanted, links = versions[-1].digest, list[Published]()
    for one in reversed(versions):
        if wanted == held:
            break
        if one.digest != wanted or one.link_from is None or one.link_bytes is None:
            return None
        links.insert(0, one)
        wanted = one.link_from
    if wanted != held or sum(one.link_bytes or 0 for one in links) >= versions[-1].size_bytes:
        return None
    return links
