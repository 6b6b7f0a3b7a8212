"""Download one file from the Hugging Face hub."""

import os
import re
import shutil
from pathlib import Path

import httpx

from pipeline.base.text import gist
from pipeline.datasets.fetching.transfer import PASSING, TransferError

SCHEME = "hf://"
_ADDRESS = re.compile(
    r"hf://(?P<kind>datasets/|(?!datasets/))(?P<repo>[^/@]+/[^/@]+)(@(?P<revision>[^/]+))?/(?P<path>.+)"
)
_SITE = "https://huggingface.co"

_gave_up: set[str] = set()
"""Endpoints on which the hub's client gave up in this process; it would wait again every time."""


def web_address(url: str) -> str:
    """Return the address at which a browser finds the file that ``url`` names."""
    match = _ADDRESS.fullmatch(url)
    if not match:
        return url
    repository = match["kind"] + match["repo"]
    return f"{_SITE}/{repository}/resolve/{match['revision'] or 'main'}/{match['path']}"


def transfer_from_hub(url: str, part: Path) -> None:
    """Download ``hf://[datasets/]OWNER/REPO[@REVISION]/PATH`` to the file ``part``.

    The hub's client resumes, retries and shows a progress bar. Raises TransferError.
    """
    match = _ADDRESS.fullmatch(url)
    if not match:
        raise TransferError(f"the address is not {SCHEME}[datasets/]OWNER/REPO[@REVISION]/PATH")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the hub is imported
    from huggingface_hub import hf_hub_download
    from huggingface_hub.constants import ENDPOINT

    _require_up(ENDPOINT, url)
    folder = _folder(part)
    try:
        fetched = hf_hub_download(
            match["repo"],
            match["path"],
            repo_type="dataset" if match["kind"] else "model",
            revision=match["revision"],
            local_dir=folder,
        )
    except (OSError, ValueError, httpx.HTTPError) as error:  # the hub's own errors are of these
        _gave_up.add(ENDPOINT)
        raise TransferError(gist(error)) from error
    Path(fetched).replace(part)
    discard_hub_folder(part)


def discard_hub_folder(part: Path) -> None:
    """Remove the files that the hub's client keeps for resuming ``part``."""
    shutil.rmtree(_folder(part), ignore_errors=True)


def _folder(part: Path) -> Path:
    return part.with_name(part.name + ".hub")


def _require_up(endpoint: str, url: str) -> None:
    """Ask the hub once for the file, because its client retries for half a minute.

    Raises TransferError when nothing answers, or when the client gave up before and the hub is
    still busy.
    """
    try:
        status = httpx.head(web_address(url).replace(_SITE, endpoint), timeout=10).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TransferError(f"{endpoint} cannot be reached ({error})") from error
    if status not in PASSING:
        _gave_up.discard(endpoint)
    elif endpoint in _gave_up:
        raise TransferError(f"{endpoint} still answers HTTP {status}")
