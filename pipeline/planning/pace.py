"""Say how far a pipeline has come, and how long the rest takes at the pace of its trainings."""

import itertools
from pathlib import Path

from pipeline.base.errors import UserError
from pipeline.base.text import duration
from pipeline.planning.estimates import expected_images, prepared_images
from pipeline.settings.compose import compose
from pipeline.settings.dataset import CountsConfig
from pipeline.settings.schema import Config
from pipeline.trials.run_rows import FinalRunRow, RunRow
from pipeline.trials.tables import read_rows


def progress(cfg: Config) -> str | None:
    """Return a line on the cells that are done and the training that is left.

    The pace is the mean over the finished trainings, in seconds per training image, whatever their
    model. Where there is a grid, searches replay its trials and cost nothing. The line has no time
    before the first training. Returns None for a pipeline of one cell, and where something cannot
    be read: the stage that reads it says so.
    """
    try:
        return _progress(cfg)
    except (UserError, OSError):
        return None


def _progress(cfg: Config) -> str | None:
    root = Path(cfg.root)
    places = list(itertools.product(cfg.datasets, cfg.models))
    cells = len(places) * len(cfg.strategies)
    if cells == 1:
        return None
    images = {
        name: prepared_images(name) or expected_images(compose(root, [f"dataset={name}"]).dataset)
        for name in cfg.datasets
    }
    done, left = 0, 0.0
    spent: dict[str, tuple[float, int]] = {}
    for dataset, model in places:
        folder = root / "results" / dataset / model
        done += len(cfg.strategies) - len(_untested(cfg, folder))
        left += _work(cfg, folder, images[dataset])
        spent |= _spent(folder, images[dataset])
    line = f"{done} of {cells} cells done"
    if not spent or not left:
        return line
    seconds, seen = (sum(each) for each in zip(*spent.values(), strict=True))
    return f"{line}; up to {duration(seconds / seen * left)} of training left"


def _work(cfg: Config, folder: Path, images: CountsConfig) -> float:
    """Return the training images of what a dataset and model still have to train."""
    size = cfg.space.size()
    untuned = [name for name in cfg.strategies if not (folder / name / "best.yaml").is_file()]
    untested = _untested(cfg, folder)
    asked = [cfg.search.trials(name, size) for name in untuned]
    trials = (size if "grid" in untuned else 0) if "grid" in cfg.strategies else sum(asked)
    both = images.train + images.val
    if cfg.protocol.name == "paddle":
        return trials * both
    return trials * images.train + len(untested) * len(cfg.evaluate.first_seeds) * both


def _untested(cfg: Config, folder: Path) -> list[str]:
    """Name the strategies without a result; before DVC repeats a search, it removes best.yaml."""
    needed = ("best.yaml", "final.json")
    return [
        name
        for name in cfg.strategies
        if not all((folder / name / file).is_file() for file in needed)
    ]


def _spent(folder: Path, images: CountsConfig) -> dict[str, tuple[float, int]]:
    """Return seconds and training images of each finished training, by key."""
    spent = {}
    for table in folder.glob("*/runs.csv"):
        for row in read_rows(table, RunRow):
            spent[row.key] = (row.seconds or 0.0, images.train)
    for table in folder.glob("*/final_runs.csv"):
        for refit in read_rows(table, FinalRunRow):
            spent[refit.key] = (refit.seconds or 0.0, images.train + images.val)
    return spent
