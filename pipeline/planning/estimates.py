"""Estimate what a pipeline downloads, stores and trains. Does not import torch."""

import json
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.fetching.fetch import part_of
from pipeline.settings.dataset import ArchiveConfig, CountsConfig, DatasetConfig
from pipeline.settings.folders import prepared_dir, raw_dir
from pipeline.settings.schema import Config

ASPECT = 4 / 3
"""Aspect ratio of a photograph; the store keeps it and makes the short side ``store_side``."""
JPEG_RATIO = 12
"""Bytes of RGB pixels per byte of JPEG, at 2 bits per pixel; estimates the size when decoded."""
ORIGINAL_SIDE = 500
"""Assumed short side of an original in pixels, if the size of the files is unknown."""


@dataclass(frozen=True)
class Need:
    """What one dataset needs; ``exact`` if it is already prepared, so nothing is to come."""

    images: CountsConfig
    download: int
    """Bytes still to fetch, from files whose size is stated."""
    unstated: int
    """Number of files to fetch whose size no source states."""
    store: int
    """Bytes of decoded pixels to come. Assumes 4:3 images at least ``store_side`` high; for
    originals, JPEG files with two bits per pixel."""
    scratch: int
    """Bytes unpacked while prepare runs; they are removed at its end."""
    exact: bool

    @property
    def disk(self) -> int:
        return self.download + self.store + self.scratch


def need(dataset: DatasetConfig) -> Need:
    """Estimate what a dataset needs. Raises UserError if own images are in an unknown layout."""
    if prepared := prepared_images(dataset.name):
        return Need(prepared, 0, 0, 0, 0, exact=True)
    images = expected_images(dataset)
    stored = images.train + images.val + images.test
    if dataset.store_side == "original":
        size = JPEG_RATIO * _packed_bytes(dataset) or int(stored * ORIGINAL_SIDE**2 * ASPECT * 3)
    else:
        size = int(stored * dataset.store_side**2 * ASPECT * 3)
    if dataset.reader == "digits":
        size = stored * 8 * 8 * 3  # smaller than the store's side, and not enlarged
    missing = [one for one in dataset.archives if not (raw_dir(dataset.name) / one.file).exists()]
    stated = sum(_left(one, raw_dir(dataset.name)) for one in missing)
    return Need(
        images=images,
        download=stated,
        unstated=sum(one.size is None for one in missing),
        store=size,
        scratch=sum(one.size or 0 for one in dataset.archives),
        exact=False,
    )


def prepared_images(dataset: str) -> CountsConfig | None:
    """Return the images per split of a prepared dataset; None before it is prepared."""
    stats = prepared_dir(dataset) / "stats.json"
    return CountsConfig(**json.loads(stats.read_bytes())["totals"]) if stats.is_file() else None


def _packed_bytes(dataset: DatasetConfig) -> int:
    """Return the bytes of the image files, from the archives or in the folder of own images."""
    if dataset.root is None:
        return sum(archive.size or 0 for archive in dataset.archives)
    root = Path(dataset.root)
    files = (path for path in root.rglob("*") if path.is_file()) if root.is_dir() else ()
    return sum(path.stat().st_size for path in files)


def _left(archive: ArchiveConfig, raw: Path) -> int:
    part = part_of(raw / archive.file)
    there = part.stat().st_size if part.exists() else 0
    return max(0, (archive.size or 0) - there)


def expected_images(dataset: DatasetConfig) -> CountsConfig:
    """Return the images per split after splits are drawn and limits applied."""
    listed = dataset.counts or _listed(dataset)
    train, val, test = listed.train, listed.val, listed.test
    if not test:
        test = round(train * dataset.test_fraction)
        train -= test
    if not val:
        val = round(train * dataset.val_fraction)
        train -= val
    train = min(train, dataset.max_train_images or train)
    val = min(val, dataset.max_val_images or val)
    return CountsConfig(train=train, val=val, test=test)


def _listed(dataset: DatasetConfig) -> CountsConfig:
    from pipeline.datasets import readers  # Pillow: only for own images
    from pipeline.datasets.fetching.placed_files import Archives

    return CountsConfig(**readers.read(dataset, Archives.of(dataset.name)).count())


@dataclass(frozen=True)
class Trials:
    """The number of trainings for one dataset and model; strategies share equal ones."""

    by_strategy: dict[str, int]
    """Number of trials of each strategy; shared trials count in each."""
    search: int
    """Largest number of distinct points that are trained."""
    refits: int
    """Largest number of refits, with those on shares of the training images; strategies that chose
    the same point share theirs."""


def trials(cfg: Config) -> Trials:
    """Count the trials of a configuration, including finished ones that will be replayed."""
    size = cfg.space.size()
    asked = {name: cfg.search.trials(name, size) for name in cfg.strategies}
    first_in_space = all(
        getattr(cfg, axis) in getattr(cfg.space, axis) for axis in type(cfg.space).model_fields
    )
    first = int(any(name != "grid" for name in asked))
    if "grid" in asked:
        search = size + (0 if first_in_space else first)
    else:
        others = sum(count - 1 for name, count in asked.items() if name != "fixed")
        search = first + min(others, size - first_in_space)
    after = cfg.evaluate.looks[-1] + len(cfg.evaluate.train_shares)
    refits = 0 if cfg.protocol.name == "paddle" else len(asked) * after
    return Trials(asked, search, refits)
