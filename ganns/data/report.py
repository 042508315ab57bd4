"""`ganns data info` and `ganns data check`: describe a source, and check that it is complete."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ganns.config import DataConfig, PackedData, SyntheticData
from ganns.data import ImageSet, plugged
from ganns.data.decoded_cache import CHUNK, path_of, read_all
from ganns.data.http.transfer import sha256_of
from ganns.data.packed import format as pack_format
from ganns.data.packed.reader import Pack
from ganns.data.packed.remote import WebPlace
from ganns.data.sources import celeba, synthetic
from ganns.data.sources.files import path_text
from ganns.data.sources.source import SOURCES, Source
from ganns.errors import DataError

NUM_SAMPLED = 64
Track = Callable[[range, str], Iterator[int]]
"""Goes through numbers and shows how far it is."""


def info(data: DataConfig, size: int, root: Path) -> dict[str, str]:
    """Return a source's description, as words and numbers; decode and draw nothing.

    Raises:
        DataError: if it cannot be found.
    """
    if isinstance(data, PackedData):
        return _info_packed(Pack(data, root))
    if data.name not in SOURCES:
        images = plugged(data, size)
        return {
            "source": f"{data.name}, a plug-in",
            "images": _images(images.num_train, images.num_holdout),
            "fingerprint": images.fingerprint,
        }
    if isinstance(data, SyntheticData) and not synthetic.folder(data).exists():
        return {
            "source": "synthetic",
            "images": _images(data.count, data.holdout),
            "where": f"{synthetic.folder(data)}: not there yet, drawn on first use",
        }
    source = SOURCES[data.name](data)
    files = source.files
    cached = path_of(source.name, source.fingerprint, size, root)
    first = Path(files.items[0])
    return {
        "source": source.name,
        "images": _images(source.num_train, len(files.items) - source.num_train)
        + (f"; {files.num_hidden:,} hidden ones left out" if files.num_hidden else ""),
        "where": path_text(f"{files.archive} (read in place)" if files.archive else str(first.parent)),
        "size": _bytes(sum(files.sizes)),
        "fingerprint": source.fingerprint,
        "decoded": f"{cached}, {_bytes(cached.stat().st_size)}" if cached.exists() else f"at {size}x{size} not yet",
    }


def check(data: DataConfig, size: int, root: Path, say: Callable[[str], None], track: Track) -> None:
    """Check that a source is complete and readable; report the findings.

    Raises:
        DataError: if something is missing or damaged; it names the file.
    """
    if isinstance(data, PackedData):
        _check_packed(Pack(data, root), say, track)
        return
    if data.name not in SOURCES:
        _check_plugged(plugged(data, size), say, track)
        return
    if isinstance(data, SyntheticData) and not synthetic.folder(data).exists():
        say("the faces are not drawn yet; that happens on first use")
        return
    source = SOURCES[data.name](data)
    files, num = source.files, len(source.files.items)
    hidden = f"; {files.num_hidden:,} hidden ones were left out" if files.num_hidden else ""
    say(f"{num:,} images are there, {_bytes(sum(files.sizes))}{hidden}")
    if files.archive and source.name == "celeba":
        published = next(md5 for _, md5, name in celeba.dataset_class().file_list if name == celeba.ZIP)
        with files.archive.open("rb") as file:
            same = hashlib.file_digest(file, "md5").hexdigest() == published
        say(f"it is {'' if same else 'not '}the archive that CelebA's authors published (by its MD5)")
    _check_all(source, size, root, say, track)
    say(f"fingerprint {source.fingerprint}")


def _check_all(source: Source, size: int, root: Path, say: Callable[[str], None], track: Track) -> None:
    """Decode all images, and compare them with the decoded copy if there is one."""
    cached = path_of(source.name, source.fingerprint, size, root)
    pixels = np.load(cached, mmap_mode="r") if cached.exists() else None
    blocks, other = read_all(source, size), []
    for _ in track(range(-(-len(source.files.items) // CHUNK)), "decoding"):
        start, block = next(blocks)
        if pixels is not None:
            same = (block == pixels[start : start + len(block)]).all(axis=(1, 2, 3))
            other += [start + int(number) for number in np.flatnonzero(~same)]
    next(blocks, None)  # raises if files are broken
    if other:
        raise DataError(f"{cached} differs from {path_text(source.files.items[other[0]])}; delete the former.")
    if source.files.archive:
        say("the checksums in the zip are right")
    say("all of them were decoded" + (", and equal the decoded copy" if pixels is not None else ""))


def _info_packed(found: Pack) -> dict[str, str]:
    index = found.index
    lines = {
        "source": f"packed, made of {index.source} {index.source_fingerprint}",
        "images": _images(index.num_train, index.num_images - index.num_train),
        "image size": f"{index.image_size}x{index.image_size}",
        "attributes": ", ".join(index.attributes) or "none: model.conditional=true cannot learn from these images",
        "where": ", then ".join(place.where for place in found.places),
        "size": _bytes(index.num_images * index.row_bytes),
        "fingerprint": found.fingerprint,
    }
    for place in found.places:
        if isinstance(place, WebPlace):
            there = place.cache.num_there()
            lines["fetched"] = f"{there:,} images, {_bytes(there * index.row_bytes)}, in {found.cache_folder}"
    return lines


def _check_packed(found: Pack, say: Callable[[str], None], track: Track) -> None:
    index = found.index
    say(f"index and digests are right: {_images(index.num_train, index.num_images - index.num_train)}")
    if found.folder:
        for shard in track(range(len(index.shards)), "shards"):
            path = found.folder / pack_format.shard_name(shard)
            if sha256_of(path) != index.shards[shard]:
                raise DataError(f"{path} is damaged: it has another SHA-256 than the index says; copy it again.")
        say(f"all {len(index.shards)} shards in {found.folder} are whole")
    for place in found.places:
        if isinstance(place, WebPlace):
            place.check_sizes()
            say(f"{place.where} has all {len(index.shards)} shards")
    step = max(index.num_images // NUM_SAMPLED, 1)
    sample = np.arange(0, index.num_images, step)
    found.read(sample)
    say(f"{len(sample)} images were read, and are those of the index")
    say(f"fingerprint {found.fingerprint}")


def _check_plugged(images: ImageSet, say: Callable[[str], None], track: Track) -> None:
    step = max(images.num_train // NUM_SAMPLED, 1)
    sample = range(0, images.num_train, step)
    for number in track(sample, "images"):
        images.train(np.array([number]))
    images.holdout(images.num_holdout)
    say(f"{len(sample)} of {images.num_train:,} images to train on, and {images.num_holdout:,} held out, can be read")
    say(f"fingerprint {images.fingerprint}; `ganns plugin check` tries more")


def _images(num_train: int, num_holdout: int) -> str:
    return f"{num_train + num_holdout:,}: {num_train:,} to train on, {num_holdout:,} held out"


def _bytes(num: int) -> str:
    return f"{num / 1e6:,.1f} MB"
