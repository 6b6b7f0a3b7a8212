"""Say what a prepared dataset was made from, so that an experiment need not prepare it again."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.readers import table
from pipeline.settings.dataset import DatasetConfig

_PACKAGE = Path(__file__).resolve().parents[1]


def origin(dataset: DatasetConfig, raw: Path) -> str:
    """Return a digest of the settings, the code and the source files of a prepared dataset.

    Files count by name, size and time of the last change, as in make, so none of them is read.
    ``raw`` is the folder of the downloads.
    """
    digest = hashlib.sha256(json.dumps(dataset.model_dump(mode="json")).encode())
    for module in (_PACKAGE / "prepare.py", *sorted((_PACKAGE / "datasets").rglob("*.py"))):
        digest.update(module.read_bytes())
    roots = [raw, Path(dataset.root)] if dataset.root else [raw]
    for root in roots:
        below = filter(Path.is_file, root.rglob("*"))
        for path in _listed(root) if root.is_file() else sorted(below):
            about = path.stat()
            state = f"{path} {about.st_size} {about.st_mtime_ns}\n"
            digest.update(state.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _listed(path: Path) -> Iterator[Path]:
    """Yield a table and the images it lists; other files of its folder may change meanwhile."""
    yield path
    for image in sorted({path.parent / entry.path for entry in table.read(path).entries}):
        if image.is_file():
            yield image
