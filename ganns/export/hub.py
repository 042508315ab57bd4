"""Upload and download an exported model with huggingface_hub (extra `hub`).

HF_ENDPOINT sets another hub, HF_TOKEN the token.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ganns.errors import ConfigError, ExportError, PushError
from ganns.utils.installation import extra

HTTP_LIBRARIES = ("requests", "httpx", "urllib3")  # httpx2 too


class Hub:
    """A hub, and a token to write there."""

    def __init__(self, name: str) -> None:
        """Prepare to write to the repository `name`, "owner/name"; send no request yet.

        Raises:
            ConfigError: if `name` has another form.
            MissingExtra: without the extra `hub`.
            PushError: if there is no token.
        """
        if not is_name(name):
            raise ConfigError(f"{name!r} is not the name of a repository: write OWNER/NAME.")
        with extra("hub", "ganns push"):
            from huggingface_hub import HfApi, get_token
        token = get_token()  # HF_TOKEN, or the token that `hf auth login` stored
        if not token:
            raise PushError("There is no token for the hub: set HF_TOKEN to one that may write.")
        self.name, self._token = name, token
        self._api = HfApi(endpoint=_endpoint(), token=token)

    @property
    def address(self) -> str:
        """The hub's address."""
        return str(self._api.endpoint)

    def push(self, folder: Path, message: str, *, private: bool = False) -> str:
        """Upload a folder as one commit, and return its address. Make the repository if it is missing.

        Args:
            folder: the folder to upload.
            message: the commit message.
            private: whether a new repository is private; an existing one stays as it is.

        Raises:
            PushError: if the hub refuses it, or does not answer.
        """
        try:
            self._api.create_repo(self.name, private=private, exist_ok=True)
            commit = self._api.upload_folder(folder_path=folder, repo_id=self.name, commit_message=message)
        except Exception as error:  # from huggingface_hub's HTTP library, which changed twice
            raise self._explained(error) from error
        return str(commit.commit_url)

    def _explained(self, error: Exception) -> PushError:
        """Return our error for an error of the library."""
        if isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception):  # "error while uploading ..."
            error = error.__cause__
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status is not None:
            return self._refused(status, error)
        if isinstance(error, ConnectionError | TimeoutError) or type(error).__module__.startswith(HTTP_LIBRARIES):
            return PushError(
                f"The hub {self.address} does not answer ({self._reason(error)}) Check the network and HF_ENDPOINT."
            )
        return PushError(f"The hub {self.address} did not take {self.name}: {self._reason(error)}")

    def _refused(self, status: int, error: Exception) -> PushError:
        advice = {
            401: "HF_TOKEN is not valid there.",
            403: f"HF_TOKEN may not write to {self.name}: it needs the right to write, and the owner must be yours.",
            404: f"there is no {self.name}, or HF_TOKEN may not see it; HF_ENDPOINT may name no hub.",
            429: "too many requests; try again later.",
        }.get(status, self._reason(error))
        return PushError(f"The hub {self.address} refused {self.name} ({status}): {advice}")

    def _reason(self, error: Exception) -> str:
        """Return an error's first line, with the token removed."""
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return lines[0].replace(self._token, "...").rstrip(".") + "."


def is_name(text: str) -> bool:
    """Return whether `text` has the form of a repository's name, "owner/name"."""
    return re.fullmatch(r"[\w.-]+/[\w.-]+", text, re.ASCII) is not None


def fetch(name: str) -> Path:
    """Download the model in the repository `name`, and return its folder in huggingface_hub's cache.

    The folder holds config.json and the weights of one commit; `ganns.export.model.load` checks both. A model that was
    downloaded before is used again, also when the hub does not answer.

    Raises:
        MissingExtra: without the extra `hub`.
        ExportError: if there is no such model, it is none that `ganns push` made, or the hub does not answer.
    """
    with extra("hub", f"There is no folder {name}; to draw with the model {name} of a hub"):
        from huggingface_hub import constants, hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, RepositoryNotFoundError

    from ganns.export.model import CONFIG, WEIGHTS, describe  # loads torch

    hub = _endpoint() or constants.ENDPOINT
    try:
        config = Path(hf_hub_download(name, CONFIG, endpoint=hub))
        describe(config.parent)  # before the weights, which may be large, are downloaded
        hf_hub_download(name, WEIGHTS, revision=config.parent.name, endpoint=hub)
    except ExportError:
        raise
    except RepositoryNotFoundError as error:
        raise ExportError(
            f"There is no folder {name}, and the hub {hub} has no model {name}, or none that you may see: check the "
            "name, or log in with `hf auth login` if it is private."
        ) from error
    except LocalEntryNotFoundError as error:  # neither downloaded before, nor now
        raise _not_fetched(name, hub, error.__cause__ or error) from error
    except EntryNotFoundError as error:
        raise ExportError(
            f"{name} on the hub {hub} is no model that `ganns push` made: a file is missing there."
        ) from error
    except Exception as error:  # from its HTTP library, or the file system
        raise _not_fetched(name, hub, error) from error
    return config.parent


def _endpoint() -> str | None:
    """Return the address of the hub that HF_ENDPOINT names, or None for the library's own."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def _not_fetched(name: str, hub: str, error: BaseException) -> ExportError:
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
    return ExportError(
        f"There is no folder {name}, and the model {name} cannot be fetched from the hub {hub} ({reason}): check the "
        "network and HF_ENDPOINT."
    )
