"""Where things lie. Paths are relative to the repository, the working directory of every stage."""

from __future__ import annotations

from pathlib import Path

from pipeline.settings.schema import Config

_PACKAGE = Path(__file__).resolve().parents[1]
INSTALLED = (_PACKAGE / "share").is_dir()
"""Whether the program was installed from a wheel; setup.py puts ``share/`` into it."""
SHARE = _PACKAGE / "share" if INSTALLED else _PACKAGE.parent
"""What the program reads beside its modules: conf/, published/ and the benchmark's params.yaml."""
CONF = SHARE / "conf"
"""The configuration groups, absolute: Hydra searches them whatever the working directory."""


def raw_dir(dataset: str) -> Path:
    return Path("data/raw") / dataset


def unpacked_dir(dataset: str) -> Path:
    """Scratch of prepare; beside raw/, whose contents DVC watches."""
    return Path("data/unpacked") / dataset


def prepared_dir(dataset: str) -> Path:
    return Path("data/prepared") / dataset


def weights_dir() -> Path:
    return Path("data/weights")


def runs_dir() -> Path:
    """The journal, its locks and the checkpoints of trials under way."""
    return Path("runs")


def lock_file(name: str) -> Path:
    """The lock of whoever works on ``name``, for :func:`pipeline.base.locks.alone`."""
    return runs_dir() / "locks" / f"{name}.lock"


def sweep_dir(cfg: Config) -> Path:
    """Hydra's sweep folder of a cell; ``conf/paths/default.yaml`` says the same."""
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
    """What ``dvc repro`` takes, in the repository's folder, to run a stage of a cell."""
    pipeline = "" if root == Path() else f"{root.as_posix()}/dvc.yaml:"
    return f"{pipeline}{stage}@{cell}"
