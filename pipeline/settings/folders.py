"""Name the folders and files. Paths are relative to the repository, where every stage runs."""

from __future__ import annotations

from pathlib import Path

from pipeline.settings.schema import Config

_PACKAGE = Path(__file__).resolve().parents[1]
INSTALLED = (_PACKAGE / "share").is_dir()
"""Whether the program was installed from a wheel, to which setup.py adds ``share/``."""
PROGRAM = "vdtransfer" if INSTALLED else "./vdtransfer"
"""What a person types before the name of a command."""
SHARE = _PACKAGE / "share" if INSTALLED else _PACKAGE.parent
"""The folder of conf/, published/ and the benchmark's params.yaml."""
CONFIG_NAME = "params"
"""Hydra's name of a params.yaml."""
CONF = SHARE / "conf"
"""The configuration groups; absolute, so that Hydra finds them from any working directory."""


def raw_dir(dataset: str) -> Path:
    return Path("data/raw") / dataset


def unpacked_dir(dataset: str) -> Path:
    """Return the folder where prepare unpacks; outside raw/, whose contents DVC watches."""
    return Path("data/unpacked") / dataset


def prepared_dir(dataset: str) -> Path:
    return Path("data/prepared") / dataset


def weights_dir() -> Path:
    return Path("data/weights")


def runs_dir() -> Path:
    """Return the folder of the journal, its locks and the checkpoints of running trials."""
    return Path("runs")


def lock_file(name: str) -> Path:
    """Return the path of the lock for ``name``, to use with :func:`pipeline.base.locks.alone`."""
    return runs_dir() / "locks" / f"{name}.lock"


def sweep_dir(cfg: Config) -> Path:
    """Return Hydra's sweep folder of a cell; ``conf/paths/default.yaml`` must say the same."""
    return (
        runs_dir()
        / "sweeps"
        / cfg.project
        / cfg.dataset.name
        / cfg.model.name
        / (cfg.strategy.name)
    )


def results_dir(cfg: Config) -> Path:
    return Path(cfg.root) / "results" / cfg.dataset.name / cfg.model.name / cfg.strategy.name


def report_dir(cfg: Config) -> Path:
    return Path(cfg.root) / "report"


def target(root: Path, stage: str, cell: str) -> str:
    """Return the argument for ``dvc repro``, run in the repository, that runs a cell's stage."""
    pipeline = "" if root == Path() else f"{root.as_posix()}/dvc.yaml:"
    return f"{pipeline}{stage}@{cell}"
