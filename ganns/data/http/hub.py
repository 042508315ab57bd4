"""A file of a hub repository, such as Hugging Face's: its address, length and checksum.

The hub's client gives these; our own downloader fetches the bytes, resumes and checks.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from ganns.errors import DownloadError
from ganns.utils.installation import extra


class HubFile(NamedTuple):
    """Arguments for `download`."""

    url: str
    size: int | None
    sha256: str | None
    headers: dict[str, str]


def locate(repository: str, file: str) -> HubFile:
    """Find a file of a data set's repository, in its newest state.

    The server is that of HF_ENDPOINT, else the one that huggingface_hub knows; a token saved with
    `hf auth login`, or in HF_TOKEN, gives access to private ones.

    Raises:
        MissingExtra: if huggingface_hub is not installed.
        DownloadError: if it does not find the file.
    """
    with extra("hub", "A repository of the Hugging Face Hub"):
        from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_url
    endpoint, token = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None, get_token()
    try:
        url = hf_hub_url(repository, file, repo_type="dataset", endpoint=endpoint)
        found = get_hf_file_metadata(url, token=token or False)
        if found.commit_hash:  # size and checksum belong to this commit, even after a new push
            url = hf_hub_url(repository, file, repo_type="dataset", revision=found.commit_hash, endpoint=endpoint)
    except Exception as error:  # its errors come from three libraries, and change with its version
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DownloadError(
            f"{file} of the data set {repository} cannot be found ({reason}); check --hub OWNER/NAME and --file, "
            "and log in with `hf auth login` if it is private."
        ) from error
    # Large files are named by their SHA-256, small ones by git's own hash.
    sha256 = found.etag if found.etag and re.fullmatch(r"[0-9a-f]{64}", found.etag) else None
    return HubFile(url, found.size, sha256, {"Authorization": f"Bearer {token}"} if token else {})
