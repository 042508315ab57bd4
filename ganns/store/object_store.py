"""The coordinator's side of `store=s3`: put each version's weights into a bucket, and delete old ones.

The bucket is a second source of the weights, and nothing depends on it. The database has them, too; a failure here is
told once, the store then rests for a while, and workers fetch from the database. Blobs are named
`ganns/<the run's key>/<version>-<SHA-256>` and never change. The version in the name lets the cleanup delete old blobs
without a list of its own, also those that a killed coordinator left.

The credentials come from the environment. obstore's errors quote requests and answers, which can contain an access key:
so messages have our own words, and at most the code of the answer, such as NoSuchBucket.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ganns.config import S3Store, StoreConfig
from ganns.errors import ConfigError, MissingExtra
from ganns.store.weights import Blob
from ganns.utils.backoff import Rest
from ganns.utils.installation import extra

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
CONNECT_S = 5.0
PUT_S, DELETE_S = 15.0, 5.0
"""The longest time of a request. A round waits for the first, once, and its lease runs out after 30 s; a coordinator
that ends waits for the second. After a failure the store rests."""
SIGNED_S = 86400.0
"""A signed address is valid for a day. After a longer pause of the run, workers fetch from the database."""
HEADERS = {"Cache-Control": f"public, max-age={SIGNED_S:.0f}, immutable"}
"""Proxies may keep a blob: another one has another name."""


def require_store(settings: StoreConfig, environment: Mapping[str, str] = os.environ) -> None:
    """Check that this process could use the store of a run.

    Raises:
        MissingExtra: if obstore is not installed.
        ConfigError: if the environment has no credentials.
    """
    if not isinstance(settings, S3Store):
        return
    with extra("store", "store=s3"):
        import obstore  # noqa: F401
    missing = [name for name in CREDENTIALS if not environment.get(name)]
    if missing:
        raise ConfigError(
            f"store=s3 needs {' and '.join(missing)} in the environment of this machine: `export {missing[0]}=...`, or "
            "leave store=s3 out."
        )


def open_store(settings: StoreConfig, key: str, say: Callable[[str], None]) -> ObjectStore | None:
    """Return the store of a run, None if it has none; nothing is sent yet.

    Args:
        settings: of the run.
        key: the run's, under which its blobs are.
        say: is told when the store fails, and when it works again.

    Raises:
        MissingExtra, ConfigError: as `require_store`.
    """
    require_store(settings)
    return ObjectStore(settings, key, say) if isinstance(settings, S3Store) else None


@dataclass
class ObjectStore:
    """The blobs of one run in a bucket. Its methods never raise because of the store."""

    settings: S3Store
    key: str
    say: Callable[[str], None]
    connect_s: float = CONNECT_S
    put_s: float = PUT_S
    delete_s: float = DELETE_S
    putting: Rest = field(default_factory=Rest)
    deleting: Rest = field(default_factory=Rest)

    def __post_init__(self) -> None:
        """Prepare the clients, which connect when they are used."""
        with extra("store", "store=s3"):
            import obstore.store
            from obstore.exceptions import BaseError
        self._obstore: Any = obstore
        self._errors = (BaseError, OSError, ValueError)
        self._folder = f"ganns/{self.key}/"
        self._for_puts, self._for_deletes = self._open(self.put_s), self._open(self.delete_s)

    def _open(self, request_s: float) -> Any:
        settings = {"endpoint": self.settings.endpoint} if self.settings.endpoint else {}
        return self._obstore.store.S3Store(
            self.settings.bucket,
            **settings,
            access_key_id=os.environ[CREDENTIALS[0]],
            secret_access_key=os.environ[CREDENTIALS[1]],
            disable_bulk_delete=True,  # not every S3-compatible store can delete several at once
            client_options={
                "allow_http": True,  # a store in the lab; workers compare what it serves with the digest
                "connect_timeout": timedelta(seconds=self.connect_s),
                "timeout": timedelta(seconds=request_s),
            },
            retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=request_s / 2)},
        )

    def put(self, version: int, data: bytes | bytearray) -> Blob | None:
        """Store a version's weights; return their digest and addresses, None if the store fails or rests."""
        if self.putting.is_on:
            return None
        sha256 = hashlib.sha256(data).hexdigest()
        name = f"{self._folder}{version}-{sha256}"
        try:
            self._obstore.put(self._for_puts, name, data, attributes=HEADERS, use_multipart=False)
            signed = self._obstore.sign(self._for_puts, "GET", name, timedelta(seconds=SIGNED_S))
        except self._errors as error:
            if self.putting.failed():
                self.say(
                    f"the store takes no weights ({reason_of(error)}): workers fetch them from the database, and the "
                    "store is tried again from time to time"
                )
            return None
        if self.putting.worked():
            self.say("the store takes weights again")
        public = [f"{self.settings.url.rstrip('/')}/{name}"] if self.settings.url else []
        return Blob(sha256, [*public, signed])

    def delete_before(self, version: int | None) -> bool:
        """Delete the blobs of versions before `version` (None: of all); return whether this was done."""
        if self.deleting.is_on:
            return False
        try:
            for page in self._obstore.list(self._for_deletes, prefix=self._folder):
                names = [str(found["path"]) for found in page]
                if old := list(older(names, version)):
                    self._obstore.delete(self._for_deletes, old)
        except self._errors as error:
            if self.deleting.failed():
                self.say(
                    f"old weights stay in the store for now ({reason_of(error)}): {self.settings.bucket}/{self._folder}"
                )
            return False
        self.deleting.worked()
        return True


def delete_blobs(config: Mapping[str, Any], key: str, say: Callable[[str], None]) -> None:
    """Delete all blobs of a run that was deleted, if it had a store; say so if this machine cannot.

    Args:
        config: the run's, as it was stored.
        key: the run's.
        say: is told about blobs that stay.
    """
    settings = config.get("store") or {}
    if settings.get("name") != "s3":
        return
    try:
        store = open_store(S3Store(**settings), key, say)
    except (ConfigError, MissingExtra) as error:
        say(f"the run's weights stay in the store, at {settings['bucket']}/ganns/{key}/: {error}")
    else:
        assert store is not None
        store.delete_before(None)


def older(names: Iterable[str], version: int | None) -> Iterable[str]:
    """Yield the names of blobs that are older than a version (None: of all blobs); not names of another form."""
    for name in names:
        found = re.fullmatch(r"(\d+)-[0-9a-f]{64}", name.rpartition("/")[2])
        if found and (version is None or int(found[1]) < version):
            yield name


def reason_of(error: Exception) -> str:
    """Return why the store failed, in words that cannot contain a credential."""
    text = str(error)
    if code := re.search(r"<Code>(\w{1,60})</Code>", text):
        return f"it answered {code[1]}"
    if status := re.search(r"status code: (\d{3})", text):
        return f"it answered {status[1]}"
    return "no answer in time" if "kind: Timeout" in text else "no connection"
