"""Download one file of a dataset from the Hugging Face hub."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from functools import cache
from pathlib import Path

import httpx

from pipeline.base.text import gist
from pipeline.datasets.fetching.transfer import PASSING, TransferError

SCHEME = "hf://"
ADDRESS = re.compile(r"hf://datasets/(?P<repo>[^/@]+/[^/@]+)(@(?P<revision>[^/]+))?/(?P<path>.+)")


def web_address(url: str) -> str:
    """Return the address at which a browser finds the file that ``url`` names."""
    match = ADDRESS.fullmatch(url)
    if not match:
        return url
    revision = match["revision"] or "main"
    return f"https://huggingface.co/datasets/{match['repo']}/resolve/{revision}/{match['path']}"


def transfer_from_hub(url: str, part: Path) -> None:
    """Download ``hf://datasets/OWNER/REPO[@REVISION]/PATH`` to the file ``part``.

    The hub's client resumes, retries and shows a progress bar. Raises TransferError.
    """
    match = ADDRESS.fullmatch(url)
    if not match:
        raise TransferError(f"the address is not {SCHEME}datasets/OWNER/REPO[@REVISION]/PATH")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the hub is imported
    from huggingface_hub import hf_hub_download
    from huggingface_hub.constants import ENDPOINT

    if fault := _unreachable(ENDPOINT) or _still_down(ENDPOINT, url):
        raise TransferError(fault)
    folder = _folder(part)
    try:
        fetched = hf_hub_download(
            match["repo"],
            match["path"],
            repo_type="dataset",
            revision=match["revision"],
            local_dir=folder,
        )
    except (OSError, ValueError, httpx.HTTPError) as error:  # the hub's own errors are of these
        if _status(error) in PASSING:
            _gave_up.add(ENDPOINT)
        raise TransferError(gist(error)) from error
    Path(fetched).replace(part)
    discard_hub_folder(part)


def discard_hub_folder(part: Path) -> None:
    """Remove the files that the hub's client keeps for resuming ``part``."""
    shutil.rmtree(_folder(part), ignore_errors=True)


def _folder(part: Path) -> Path:
    return part.with_name(part.name + ".hub")


_gave_up: set[str] = set()
"""Endpoints on which the hub's client gave up in this process; it would wait again every time."""


def _still_down(endpoint: str, url: str) -> str | None:
    """Return why an endpoint that failed before is still down, by one request; None if it is up."""
    if endpoint not in _gave_up:
        return None
    with suppress(httpx.HTTPError):
        address = web_address(url).replace("https://huggingface.co", endpoint)
        status = httpx.head(address, timeout=10).status_code
        if status not in PASSING:
            _gave_up.discard(endpoint)
            return None
        return f"{endpoint} still answers HTTP {status}"
    return f"{endpoint} cannot be reached any more"


def _status(error: Exception) -> int | None:
    """Return the HTTP status in an error of the hub's client or in one of its causes."""
    cause: BaseException | None = error
    while cause is not None:
        response = getattr(cause, "response", None)
        if response is not None:
            return int(response.status_code)
        cause = cause.__cause__ or cause.__context__
    return None


@cache
def _unreachable(endpoint: str) -> str | None:
    """Return why the hub cannot be reached, or None; its client would retry for half a minute."""
    try:
        httpx.head(endpoint, timeout=10)
    except httpx.TransportError as error:
        return f"{endpoint} cannot be reached ({error})"
    return None
