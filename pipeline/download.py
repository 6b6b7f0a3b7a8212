"""Fetch the archives of a dataset into data/raw/<dataset>/.

    python -m pipeline.download dataset=dtd

Existing files, fetched before or placed by hand, are verified and kept. An interrupted download
is resumed. data/README.md says where each dataset comes from.
"""

from pathlib import Path

from pipeline.base.disk import require_room
from pipeline.base.errors import UserError
from pipeline.base.files import link_files, write_text
from pipeline.base.locks import alone
from pipeline.datasets.fetching.fetch import NotFetchedError, described, fetch, part_of
from pipeline.datasets.fetching.transfer import PATIENCE, Patience
from pipeline.planning.input_size import require_network
from pipeline.settings.command_line import stage
from pipeline.settings.dataset import ArchiveConfig, DatasetConfig
from pipeline.settings.folders import home, raw_dir
from pipeline.settings.schema import Config

SOURCE = "source.txt"


def download(dataset: DatasetConfig, raw: Path, patience: Patience = PATIENCE) -> list[Path]:
    """Fetch and verify the files of ``dataset`` into ``raw``; return their paths.

    ``originals`` are used instead of ``archives`` once those without an address were placed. A
    dataset without archives gets a note that says where its images are. Raises UserError naming
    every file that could not be fetched, where to get it and where to put it.
    """
    raw.mkdir(parents=True, exist_ok=True)
    with alone(raw.parent / f".{raw.name}.lock", f"download to {raw}"):
        if not dataset.archives:
            note = f"{_source(dataset)}\n"
            if not (raw / SOURCE).exists() or (raw / SOURCE).read_text(encoding="utf-8") != note:
                write_text(raw / SOURCE, note)
            return [raw / SOURCE]
        placed = [(raw / one.file).exists() for one in dataset.originals if not one.urls]
        wanted = dataset.originals if placed and all(placed) else dataset.archives
        require_room(raw, _to_come(wanted, raw))
        return _fetch_all(dataset, wanted, raw, patience)


def _fetch_all(
    dataset: DatasetConfig, wanted: list[ArchiveConfig], raw: Path, patience: Patience
) -> list[Path]:
    paths, faults = [], []
    for archive in wanted:
        try:
            paths.append(fetch(archive, raw, patience))
        except NotFetchedError as error:
            faults.append(str(error))
    if not faults:
        return paths
    lines = [f"{dataset.name}: {len(faults)} of {len(wanted)} files are missing", *faults]
    if dataset.originals:
        lines.append("or use the creators' own files: put at")
        lines += [f"    {raw / one.file} ({described(one)})" for one in dataset.originals]
    lines += [f"more on this dataset: data/README.md, {dataset.homepage}".rstrip(", ")]
    lines += ["then run the same command: files that are there are verified and taken"]
    raise UserError("\n".join(lines))


def _to_come(wanted: list[ArchiveConfig], raw: Path) -> int:
    """Return the bytes still to be fetched, from files whose size is stated."""
    total = 0
    for archive in wanted:
        path = raw / archive.file
        part = part_of(path)
        if archive.size and not path.exists():
            total += archive.size - (part.stat().st_size if part.exists() else 0)
    return max(total, 0)


def _source(dataset: DatasetConfig) -> str:
    if dataset.root is not None:
        return f"the images of {dataset.name} lie in {dataset.root}; nothing is downloaded"
    return f"the images of {dataset.name} come with scikit-learn; nothing is downloaded"


def main(cfg: Config) -> None:
    raw = raw_dir(cfg.dataset.name)
    kept = home() / raw
    for path in download(cfg.dataset, kept):
        print(path)
    if kept != raw:  # DVC's copy of the repository for an experiment
        link_files(kept, raw)


if __name__ == "__main__":
    stage(main, __doc__, require_network)
