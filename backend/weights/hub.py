# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a catalogue entry into a verified weights file on this machine."""

import hashlib
import importlib
from pathlib import Path
from typing import Any

from ..errors import ModelMissingError, OfflineError, SetupError, WeightsError
from ..progress import Progress
from .catalogue import ModelEntry

_BLOCK_BYTES = 1 << 22


def weights_path(entry: ModelEntry, folder: Path) -> Path:
    """Where a downloaded model lies inside the chosen folder, whether it is there or not."""
    return folder / entry.repository.rpartition("/")[2] / entry.file


def has_weights(entry: ModelEntry, folder: Path) -> bool:
    """Whether all files of a model are in the chosen folder; the embedded ones always are."""
    root = folder / entry.repository.rpartition("/")[2]
    if entry.patterns:
        return all(any(root.glob(pattern)) for pattern in entry.patterns)
    return entry.is_embedded or weights_path(entry, folder).is_file()


def find_weights(entry: ModelEntry, folder: Path) -> Path:
    """The weights file of a model that was fetched before, or copied there by hand.

    Returns:
        The file, or the folder of a model of several files, some of which may be missing.

    Raises:
        ModelMissingError: It is not in the folder.
    """
    path = weights_path(entry, folder)
    if not (path.is_dir() if entry.patterns else path.is_file()):
        shown = Path(path.parent.parent.name, path.parent.name, path.name).as_posix()
        raise ModelMissingError(
            f"The weights of '{entry.name}' are not on this machine.",
            f"Download the model, or put '{shown}' into the models folder.",
        )
    return path


def fetch_weights(
    entry: ModelEntry, folder: Path, is_online_allowed: bool, progress: Progress
) -> Path:
    """Download a model's weights unless they are there; a broken download is taken up again.

    Args:
        entry: Which model.
        folder: The user's models folder; made if missing.
        is_online_allowed: Blender's online access setting, or the command line's consent.
        progress: Steps before and after the download.

    Returns:
        Path of the weights file, or of the folder of a model of several files.

    Raises:
        OfflineError: A download is needed but not allowed, or it failed.
        ModelMissingError: The file is not published any more, or needs an account.
        SetupError: The download library is missing.
        WeightsError: What arrived is not what was published; it is deleted.
        CancelledError: The user cancelled the job.
    """
    path = weights_path(entry, folder)
    if not has_weights(entry, folder):
        if not is_online_allowed:
            raise OfflineError(
                f"The weights of '{entry.name}' must be downloaded, but online access is off.",
                "Allow online access in Blender's preferences, or copy the file by hand.",
            )
        progress.step(0, 1)
        _download(entry, path)
        if not has_weights(entry, folder):
            raise _download_failed(entry)
        progress.step(1, 1)
    verify_digest(path, entry.sha256)
    return path


def verify_digest(path: Path, sha256: str | None) -> None:
    """Compare a file with its known digest; None: nothing is known, nothing is checked.

    Raises:
        WeightsError: They differ; the file is deleted, so that the next fetch starts anew.
    """
    if sha256 is None or file_digest(path) == sha256:
        return
    path.unlink()
    raise WeightsError(
        f"The weights file '{path.name}' is damaged, so it was deleted.", "Download it again."
    )


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _download(entry: ModelEntry, path: Path) -> None:
    """Fetch through the hub's client, which resumes and checks the sizes that are announced."""
    hub, errors = _import_hub()
    connection_errors = (errors.HfHubHTTPError, getattr(errors, "HTTPError", OSError), OSError)
    target = path.parents[len(Path(entry.file).parts) - 1]
    try:
        if entry.patterns:
            wanted = list(entry.patterns)
            hub.snapshot_download(entry.repository, allow_patterns=wanted, local_dir=target)
        else:
            hub.hf_hub_download(entry.repository, entry.file, local_dir=target)
    except errors.LocalEntryNotFoundError as error:  # the client's word for: no connection
        raise _download_failed(entry) from error
    except (errors.EntryNotFoundError, errors.RepositoryNotFoundError) as error:
        raise ModelMissingError(
            f"The weights of '{entry.name}' are not published under the known name, or need an "
            "account.",
            f"Look for '{entry.repository}' on the Hugging Face Hub.",
        ) from error
    except connection_errors as error:
        raise _download_failed(entry) from error


def _download_failed(entry: ModelEntry) -> OfflineError:
    return OfflineError(
        f"The download of '{entry.name}' did not finish.",
        "Check the connection and the free disk space, then try again: it goes on where it ended.",
    )


def _import_hub() -> tuple[Any, Any]:
    """The download library, which offline installations need not have."""
    try:
        return importlib.import_module("huggingface_hub"), importlib.import_module(
            "huggingface_hub.errors"
        )
    except ImportError as error:
        raise SetupError(
            "The worker's Python lacks the package 'huggingface_hub'.",
            "Make the worker's environment again.",
        ) from error
