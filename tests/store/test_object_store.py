"""The coordinator's side of a store: put, sign and delete blobs; a failure is told once, without a credential."""

from __future__ import annotations

import builtins
import hashlib
from typing import Any

import httpx
import pytest

from ganns.config import NoStore, S3Store
from ganns.errors import ConfigError, MissingExtra
from ganns.store.object_store import ObjectStore, delete_blobs, older, open_store, reason_of, require_store
from ganns.utils.backoff import Rest
from tests.support.s3 import BUCKET, KEY, SECRET, S3Server, require_packages

require_packages()
DATA = bytearray(b"weights" * 1000)


def opened(s3: S3Server, said: list[str], **settings: Any) -> ObjectStore:
    return ObjectStore(s3.settings(**settings), "key", said.append, put_s=0.3, delete_s=0.3)


def test_a_blob_is_there_and_only_a_signed_address_opens_it(s3: S3Server) -> None:
    said: list[str] = []
    blob = opened(s3, said).put(3, DATA)
    assert blob is not None
    assert blob.sha256 == hashlib.sha256(DATA).hexdigest()
    assert s3.blobs() == [f"3-{blob.sha256}"]
    [signed] = blob.addresses
    with httpx.Client() as client:
        assert client.get(signed).content == DATA
        assert client.get(signed.partition("?")[0]).status_code == 403
        assert client.get(signed.replace("Signature=", "Signature=0")).status_code == 403
    assert SECRET not in signed
    assert said == []


def test_a_public_address_comes_first(s3: S3Server) -> None:
    blob = opened(s3, [], url="https://cdn.example.org/faces/").put(3, DATA)
    assert blob is not None
    assert blob.addresses[0] == f"https://cdn.example.org/faces/ganns/key/3-{blob.sha256}"
    assert blob.addresses[1].startswith(f"{s3.url}/{BUCKET}/ganns/key/3-{blob.sha256}?")


@pytest.mark.parametrize(("fault", "reason"), [("refuse", "it answered AccessDenied"), ("stall", "no answer in time")])
def test_a_store_that_takes_nothing_rests_and_that_is_told_once(s3: S3Server, fault: str, reason: str) -> None:
    said: list[str] = []
    store = opened(s3, said)
    s3.faults["PUT"].extend([fault] * 2)
    assert store.put(1, DATA) is None
    assert store.putting.is_on
    assert store.put(2, DATA) is None  # it rests: nothing is sent
    assert s3.fired == {fault: 1}
    store.putting.first_s = 0.0
    store.putting._until = 0.0
    assert store.put(2, DATA) is None
    assert s3.fired == {fault: 2}
    assert store.put(3, DATA) is not None
    assert len(said) == 2
    assert f"the store takes no weights ({reason}): workers fetch them from the database" in said[0]
    assert said[1] == "the store takes weights again"
    assert KEY not in "".join(said)
    assert SECRET not in "".join(said)


def test_old_blobs_are_deleted_and_others_stay(s3: S3Server) -> None:
    said: list[str] = []
    store = opened(s3, said)
    other = ObjectStore(s3.settings(), "other", said.append)
    for version in (2, 9, 10, 11):
        store.put(version, DATA)
    other.put(0, DATA)
    beside = s3.folder / BUCKET / "ganns" / "key" / "notes.txt"
    beside.write_text("the instructor's")
    assert store.delete_before(10)
    assert [name.partition("-")[0] for name in s3.blobs()] == ["0", "10", "11"]
    assert store.delete_before(None)
    assert [name.partition("-")[0] for name in s3.blobs()] == ["0"]
    assert beside.exists()
    assert store.delete_before(None)  # nothing is left to delete
    assert said == []


@pytest.mark.parametrize("kind", ["LIST", "DELETE"])
def test_a_store_that_deletes_nothing_rests_and_that_is_told_once(s3: S3Server, kind: str) -> None:
    said: list[str] = []
    store = opened(s3, said)
    store.deleting = Rest(0.0, 0.0)
    store.put(1, DATA)
    s3.faults[kind].extend(["refuse"] * 2)
    assert [store.delete_before(5) for _ in range(3)] == [False, False, True]
    assert s3.fired == {"refuse": 2}
    assert said == [f"old weights stay in the store for now (it answered AccessDenied): {BUCKET}/ganns/key/"]
    assert s3.blobs() == []


def test_a_deleted_runs_blobs_go_or_are_named(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    opened(s3, said).put(1, DATA)
    config = {"store": {"name": "s3", "bucket": BUCKET, "endpoint": s3.url, "url": None}}
    for other in ({}, {"store": {"name": "none"}}):  # the first from before there were stores
        delete_blobs(other, "key", said.append)
    assert len(s3.blobs()) == 1
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    delete_blobs(config, "key", said.append)
    assert len(s3.blobs()) == 1
    assert said == [
        f"the run's weights stay in the store, at {BUCKET}/ganns/key/: store=s3 needs AWS_SECRET_ACCESS_KEY in the "
        "environment of this machine: `export AWS_SECRET_ACCESS_KEY=...`, or leave store=s3 out."
    ]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    delete_blobs(config, "key", said.append)
    assert s3.blobs() == []
    assert len(said) == 1


def test_a_machine_that_cannot_use_a_store_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = S3Store(bucket=BUCKET)
    with pytest.raises(ConfigError, match="needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"):
        require_store(settings, {})
    require_store(NoStore(), {})
    assert open_store(NoStore(), "key", print) is None
    load = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("obstore"):
            raise ImportError(name=name)
        return load(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"^store=s3 needs .* pip install .*\[store\]'"):
        require_store(settings, {})


def test_names_of_another_form_are_nobodys() -> None:
    sound = f"ganns/k/7-{'0' * 64}"
    names = [sound, "ganns/k/7-0", "ganns/k/x", f"ganns/k/-1-{'0' * 64}"]
    assert list(older(names, 8)) == list(older(names, None)) == [sound]
    assert list(older(names, 7)) == []


def test_a_reason_has_no_credential() -> None:
    quoted = f"403 <Error><Code>InvalidAccessKeyId</Code><AWSAccessKeyId>{KEY}</AWSAccessKeyId></Error>"
    assert reason_of(OSError(quoted)) == "it answered InvalidAccessKeyId"
    assert reason_of(OSError(f"non-2xx status code: 503 {KEY}")) == "it answered 503"
    assert reason_of(ValueError(f"bad {KEY}")) == "no connection"
