"""Name the folders and files. Paths are relative to the project's folder, where every stage runs.

DVC runs an experiment (`dvc exp run --temp` or `--queue`) in a copy of the repository and removes
the copy afterwards. The journal and the weights stay in the repository then (see :func:`home`).
"""

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
_COPIES = (".dvc", "tmp", "exps")
"""Where DVC puts the copies of a repository in which it runs experiments."""


def home() -> Path:
    """Return the folder that keeps the project's data, weights and journal.

    It is the working directory, and in DVC's copy for an experiment the folder that was copied.
    """
    here = Path.cwd()
    copy = here
    for folder in here.parents:
        if folder.parts[-len(_COPIES) :] == _COPIES:
            return folder.parents[len(_COPIES) - 1] / here.relative_to(copy)
        if not (copy / ".dvc").is_dir():
            copy = folder
    return Path()


def raw_dir(dataset: str) -> Path:
    return Path("data/raw") / dataset


def unpacked_dir(dataset: str) -> Path:
    """Return the folder where prepare unpacks; outside raw/, whose contents DVC watches."""
    return home() / "data/unpacked" / dataset


def prepared_dir(dataset: str) -> Path:
    return Path("data/prepared") / dataset


def weights_dir() -> Path:
    return home() / "data/weights"


def runs_dir() -> Path:
    """Return the folder of the journal, its locks and the checkpoints of running trials."""
    return home() / "runs"


def lock_file(name: str) -> Path:
    """Return the path of the lock for ``name``, to use with :func:`pipeline.base.locks.alone`."""
    return runs_dir() / "locks" / f"{name}.lock"


def sweep_dir(cfg: Config) -> Path:
    """Return Hydra's sweep folder of a cell; ``conf/paths/default.yaml`` must say the same.

    It lies in the working directory, because two experiments may search the same cell at once.
    """
    return Path("runs", "sweeps", cfg.project, cfg.dataset.name, cfg.model.name, cfg.strategy.name)


def results_dir(cfg: Config) -> Path:
    return Path(cfg.root) / "results" / cfg.dataset.name / cfg.model.name / cfg.strategy.name


def decided_dir(root: Path, dataset: str, model: str) -> Path:
    """Return the folder of the seeds that decide adds; no dataset's name begins with a dot."""
    return root / "results" / ".decided" / dataset / model


def report_dir(cfg: Config) -> Path:
    return Path(cfg.root) / "report"


def target(root: Path, stage: str, cell: str) -> str:
    """Return the argument for ``dvc repro``, run in the repository, that runs a cell's stage."""
    pipeline = "" if root == Path() else f"{root.as_posix()}/dvc.yaml:"
    return f"{pipeline}{stage}@{cell}"
