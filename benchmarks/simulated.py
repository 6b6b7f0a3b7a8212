"""Measure what DVC, Hydra and MLflow cost around 1,568 simulated trials, the whole benchmark.

The real `dvc repro` runs the real dvc.yaml: eight datasets with the strategies fixed, grid and
bayes. Only the trials are simulated (``machine.simulate``): each sleeps for a moment and reports
the results of a finished grid. Prints what each trial costs beyond its sleep and where that time
goes.

Run: python benchmarks/simulated.py [--datasets N] [--seconds S] [--json PATH]
"""

import cProfile
import csv
import os
import pstats
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import chdir
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from mlflow import MlflowClient
from PIL import Image

from pipeline.base.arguments import documented
from pipeline.base.files import write_json, write_yaml
from pipeline.datasets.decoding import Decoding
from pipeline.datasets.manifest import PIXELS
from pipeline.datasets.pixels import Stored, write_store
from pipeline.settings.folders import prepared_dir
from synthetic import write_manifest

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "benchmarks" / "grids" / "digits.csv"
COPIED = ("conf", "pipeline", "plugins", "vdtransfer", "dvc.yaml", "params.yaml", ".dvcignore")
WEIGHTS = "weights.bin"
WEIGHTS_BYTES = 100_000_000
"""Size of a ResNet50_vd in float32; a trial's key needs the digest of this file."""


@dataclass(frozen=True)
class Run:
    """Figures of a `dvc repro`. Times are in seconds; ``cpu`` is the time of all processes."""

    cells: int
    trials: int
    replayed: int
    slept: float
    wall: float
    cpu: float
    in_sweeps: float
    """Wall time inside the sweeps; the rest is DVC and imports."""


def write_project(folder: Path, datasets: int, seconds: float, strategies: list[str]) -> list[str]:
    """Copy the benchmark's files and prepare a few images per dataset; return the datasets."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    shutil.copy(TABLE, folder / "table.csv")
    (folder / WEIGHTS).write_bytes(np.random.default_rng(0).bytes(WEIGHTS_BYTES))
    model = folder / "conf" / "model" / "resnet50_vd.yaml"
    write_yaml(model, yaml.safe_load(model.read_text()) | {"weights": WEIGHTS})
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["datasets"] = params["datasets"][:datasets]
    params["strategies"] = strategies
    params["lr"] = 0.003  # makes the fixed scheme a point of the table
    params["machine"] |= {"threads": 1, "device": "cpu", "precision": "float32"}
    params["machine"] |= {"simulate": "table.csv", "simulate_seconds": seconds}
    write_yaml(folder / "params.yaml", params)
    with chdir(folder):
        for seed, dataset in enumerate(params["datasets"]):
            _prepare(dataset, seed)
    return list(params["datasets"])


def _prepare(dataset: str, seed: int, images: int = 20) -> None:
    rng = np.random.default_rng(seed)  # other images, because equal images would share their trials
    sources = []
    for number in range(images):
        path = Path("images") / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(path)
        sources.append(path)
    folder = prepared_dir(dataset)
    folder.mkdir(parents=True)
    how = Decoding(side=8)
    placed, digest = write_store(sources, folder / PIXELS, how, workers=1, title=dataset)
    stored = [each for each in placed if isinstance(each, Stored)]
    write_manifest(dataset, stored, ["train", "val"] * (images // 2), digest, classes=2)


def repro(folder: Path) -> Run:
    """Run every tune stage and return its figures. Raises CalledProcessError if a stage fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "PATH": path}
    environment.pop("MLFLOW_TRACKING_URI", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    for command in (["init", "--no-scm", "--quiet"], ["repro", "--quiet", "--single-item", "tune"]):
        with (folder / "dvc.log").open("a") as log:
            subprocess.run(
                ["dvc", *command], cwd=folder, env=environment, check=True, stdout=log, stderr=log
            )
    wall = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rows = [
        row
        for table in (folder / "results").glob("*/*/*/runs.csv")
        for row in csv.DictReader(table.open(encoding="utf-8"))
    ]
    trained = [row for row in rows if row["replayed"] == "false"]
    return Run(
        cells=len(list((folder / "results").glob("*/*/*/best.yaml"))),
        trials=len(rows),
        replayed=len(rows) - len(trained),
        slept=sum(float(row["seconds"]) for row in trained),
        wall=wall,
        cpu=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        in_sweeps=_in_sweeps(folder),
    )


def _in_sweeps(folder: Path) -> float:
    client = MlflowClient(f"sqlite:///{folder / 'runs' / 'mlflow.db'}")
    ids = [each.experiment_id for each in client.search_experiments()]
    runs = client.search_runs(ids, "tags.purpose = 'sweep'", max_results=1000)
    return sum(run.info.end_time - run.info.start_time for run in runs) / 1000


PARTS = {
    "Hydra composes the job": ("config_loader_impl.py", "load_sweep_config"),
    "Hydra starts its log": ("hydra/core/utils.py", "configure_log"),
    "configuration checked": ("pipeline/settings/compose.py", "check"),
    "data and weights found": ("pipeline/trials/resources.py", "find_resources"),
    "journal opened": ("pipeline/trials/journal.py", "open"),
    "key looked up": ("pipeline/trials/journal.py", "tries"),
    "run created": ("pipeline/trials/journal.py", "start"),
    "data named": ("pipeline/trials/journal.py", "log_dataset"),
    "metrics logged": ("pipeline/trials/journal.py", "log_steps"),
    "artifacts written": ("mlflow/tracking/client.py", "log_artifact"),
    "run closed": ("pipeline/trials/journal.py", "close"),
}
"""Functions that cause a trial's overhead; none calls another of them."""


def shares(folder: Path, dataset: str) -> dict[str, float]:
    """Return the processor milliseconds per trial of each part, over a grid of 28 points."""
    # Imported here: this takes seconds, and nothing else in this process needs them.
    import pipeline.trials.sweep
    from pipeline.tune import tune

    overrides = [f"dataset={dataset}", "strategy=grid", "project=profile", "space.lr=[0.003]"]
    overrides.append(f"model.weights={WEIGHTS}")
    profile = cProfile.Profile(time.process_time)
    with chdir(folder):
        os.environ.pop(pipeline.trials.sweep.PARENT, None)
        profile.runcall(tune, Path(), overrides)
    stats: Any = pstats.Stats(profile)
    trials = 0
    spent = dict.fromkeys([*PARTS, "all of a trial"], 0.0)
    for (file, _line, name), (_, calls, _, cumulative, _) in stats.stats.items():
        if file.endswith("hydra/core/utils.py") and name == "run_job":
            trials, spent["all of a trial"] = calls, spent["all of a trial"] + cumulative
        for part, (where, what) in PARTS.items():
            if file.endswith(where) and name == what:
                spent[part] += cumulative
    spent["all of a trial"] += spent["Hydra composes the job"]  # it is outside run_job
    return {part: 1000 * seconds / trials for part, seconds in spent.items()}


def totals(run: Run) -> str:
    lines = [
        f"{run.cells} cells, {run.trials} trials, {run.replayed} of them replayed",
        f"{'':32}{'total':>12}{'per trial':>14}",
    ]
    for what, seconds in (
        ("dvc repro, wall", run.wall),
        ("asleep in trials", run.slept),
        ("overhead in sweeps, wall", run.in_sweeps - run.slept),
        ("DVC and starting processes, wall", run.wall - run.in_sweeps),
        ("processor time of all", run.cpu),
    ):
        lines.append(f"{what:32}{seconds:10.1f} s{1000 * seconds / run.trials:11.1f} ms")
    return "\n".join(lines)


def parts(spent: dict[str, float]) -> str:
    whole = spent["all of a trial"]
    lines = ["processor time of a trial, profiled over the grid's points with one learning rate"]
    for part, milliseconds in sorted(spent.items(), key=lambda each: -each[1]):
        lines.append(f"{part:32}{milliseconds:11.1f} ms{100 * milliseconds / whole:11.1f} %")
    return "\n".join(lines)


def main() -> None:
    parser = documented(__doc__, json=True)
    parser.add_argument("--datasets", type=int, default=8, choices=range(1, 9))
    parser.add_argument("--strategies", nargs="+", default=["fixed", "grid", "bayes"])
    parser.add_argument("--seconds", type=float, default=0.02, help="a trial's sleep")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        datasets = write_project(folder, given.datasets, given.seconds, given.strategies)
        run = repro(folder)
        print(totals(run), flush=True)
        spent = shares(folder, datasets[0])
    print(parts(spent))
    if given.json:
        write_json(given.json, {**asdict(run), "seconds": given.seconds, "milliseconds": spent})


if __name__ == "__main__":
    main()
