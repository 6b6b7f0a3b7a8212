"""Bring one file of a dataset on the Hugging Face hub."""

from __future__ import annotations

import os
import re
import shutil
from functools import cache
from pathlib import Path

import httpx

from pipeline.datasets.fetching.transfer import TransferError

SCHEME = "hf://"
ADDRESS = re.compile(r"hf://datasets/(?P<repo>[^/@]+/[^/@]+)(@(?P<revision>[^/]+))?/(?P<path>.+)")


def web_address(url: str) -> str:
    """Where a person finds in a browser what ``url`` names."""
    found = ADDRESS.fullmatch(url)
    if not found:
        return url
    revision = found["revision"] or "main"
    return f"https://huggingface.co/datasets/{found['repo']}/resolve/{revision}/{found['path']}"


def transfer_from_hub(url: str, part: Path) -> None:
    """Bring ``hf://datasets/OWNER/REPO[@REVISION]/PATH`` to the file ``part``.

    The hub's client resumes, retries and shows a bar. Raises TransferError.
    """
    found = ADDRESS.fullmatch(url)
    if not found:
        raise TransferError(f"the address is not {SCHEME}datasets/OWNER/REPO[@REVISION]/PATH")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the hub is imported
    from huggingface_hub import hf_hub_download
    from huggingface_hub.constants import ENDPOINT

    if fault := _unreachable(ENDPOINT):
        raise TransferError(fault)
    folder = _folder(part)
    try:
        fetched = hf_hub_download(
            found["repo"],
            found["path"],
            repo_type="dataset",
            revision=found["revision"],
            local_dir=folder,
        )
    except (OSError, ValueError, httpx.HTTPError) as error:  # the hub's own errors are of these
        raise TransferError(str(error).strip().split("\n")[0] or type(error).__name__) from error
    Path(fetched).replace(part)
    discard_hub_folder(part)


def discard_hub_folder(part: Path) -> None:
    """Remove what the hub's client keeps to go on with ``part``."""
    shutil.rmtree(_folder(part), ignore_errors=True)


def _folder(part: Path) -> Path:
    return part.with_name(part.name + ".hub")


@cache
def _unreachable(endpoint: str) -> str | None:
    """Why the hub cannot be reached. Its client tries each file for half a minute otherwise."""
    try:
        httpx.head(endpoint, timeout=10)
    except httpx.TransportError as error:
        return f"{endpoint} cannot be reached ({error})"
    return None
