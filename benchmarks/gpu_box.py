"""Measure a machine with an accelerator, then train a grid of long curves on it.

    python benchmarks/gpu_box.py pack BOX           where the project is installed
    python benchmarks/gpu_box.py run BOX            on the machine to measure

``pack`` copies what the grid needs into the folder BOX: a prepared dataset of the quickstart
(``--dataset``), the weights of EfficientNet-Lite0, and the configuration of each point as JSON.
``run`` needs this repository, BOX and the packages that benchmarks/README.md lists: no network, no
MLflow, no Hydra. It writes into BOX:

* ``SIZE-BATCH.json`` for each load: the results of accelerator.py (floor, trial, stock, ...);
* ``concurrent_trials.json``: the results of concurrent_trials.py: images a second of one, two and
  four trials that share a card;
* ``tests.txt``: the output of the tests marked gpu;
* ``grid.csv``: a row per point. An interrupted run trains the points that have no row yet.

``--toy`` shrinks everything for a trial run on a processor: ``run BOX --device cpu --toy``.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve().parent
LOADS = ((224, 256), (224, 32), (64, 128), (64, 32))
"""Crop size and batch size of each measurement."""
COMPILED = ((224, 256), (64, 32))
"""Loads that are measured compiled, too. Compiling takes a minute each."""
OTHERS = ("--parts", "trial", "floors", "stock", "crops", "equal")
TOY = ((32, 4),)
TINY = ("--arch", "test_resnet", "--steps", 4)
SMALL = (64, 32)
"""The load of several trials at once: it leaves a card idle."""
CONFIGS = "configs.json"
CONCURRENT = "concurrent_trials.json"
WEIGHTS = "weights"


def pack(box: Path, dataset: str, epochs: int) -> None:
    """Copy a prepared dataset, weights and configurations into ``box``."""
    from pipeline.models.weights import locate
    from pipeline.settings.compose import compose
    from pipeline.settings.folders import prepared_dir, weights_dir

    overrides = ["model=efficientnet_lite0", f"recipe.epochs={epochs}", "recipe.steps=null"]
    overrides += ["recipe.image_size=64", "recipe.resize_size=72", "recipe.batch_size=128"]
    cfg = compose(Path("quickstart"), [f"dataset={dataset}", *overrides])
    weights = locate(cfg.model, weights_dir())
    assert weights is not None
    prepared = prepared_dir(dataset)
    if not prepared.is_dir():
        sys.exit(f"{dataset} is not prepared: there is no {prepared}")
    shutil.copytree(prepared, box, dirs_exist_ok=True)
    shutil.copy(weights.path, box / f"{WEIGHTS}{weights.path.suffix}")
    space = compose(Path()).space
    points = [cfg.model_copy(update=point.model_dump()) for point in space.points()]
    (box / CONFIGS).write_text(json.dumps([each.model_dump(mode="json") for each in points]))
    print(f"{box}: {len(points)} points of {dataset}, {epochs} epochs each")


def call(script: str, device: str, *arguments: object) -> None:
    command = [sys.executable, HERE / script, "--device", device, *arguments]
    subprocess.run([str(each) for each in command], check=True)


def measure(box: Path, device: str, toy: bool) -> None:
    """Run accelerator.py at each load, and concurrent_trials.py at the smallest one."""
    for size, batch in TOY if toy else LOADS:
        load = ("--size", size, "--batch", batch, "--json", box / f"{size}-{batch}.json")
        parts = () if toy or (size, batch) in COMPILED else OTHERS
        call("accelerator.py", device, *load, *parts, *(TINY if toy else ("--steps", 30)))
    size, batch = TOY[0] if toy else SMALL
    load = ("--size", size, "--batch", batch, "--json", box / CONCURRENT)
    call("concurrent_trials.py", device, *load, *(TINY if toy else ()))


def tests(box: Path) -> None:
    """Run the tests that need an accelerator and save their output."""
    modules = [f"tests/{name}.py" for name in ("training/test_gpu", "models/test_golden")]
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-rs", *modules]
    done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=False)
    output = f"{done.stdout}{done.stderr}"
    (box / "tests.txt").write_text(output)
    print(output.rstrip().splitlines()[-1])


def point(box: Path, device: str, number: int) -> dict[str, object]:
    """Train a point of the grid; return its row of the table."""
    from pipeline.datasets.manifest import PIXELS, Manifest
    from pipeline.datasets.pixels import PixelStore
    from pipeline.settings.schema import Config, MachineConfig
    from pipeline.training.callbacks import Checkpoint, Progress
    from pipeline.training.data import SplitPlan
    from pipeline.training.devices import resolve_device, resolve_precision
    from pipeline.training.trial import train

    start = time.monotonic()
    device = resolve_device(device)
    precision = resolve_precision("auto", device)
    manifest = Manifest.load(box)
    (weights,) = box.glob(f"{WEIGHTS}.*")
    cfg = Config.model_validate(json.loads((box / CONFIGS).read_text())[number])
    machine = MachineConfig(precision=precision, device=device, threads=1)
    with TemporaryDirectory() as scratch:
        result, _ = train(
            cfg.model_copy(update={"machine": machine}),
            SplitPlan(("train",), measure="val", predict=None),
            manifest,
            PixelStore(box / PIXELS, manifest),
            weights,
            Checkpoint(Path(scratch) / "checkpoint.ckpt"),
            [Progress(f"point {number}")],
        )
    row = {"number": number, **cfg.point.model_dump(), "status": result.status}
    row |= {"objective": result.objective, "loss": (result.metrics or {}).get("loss")}
    row |= {"curve": json.dumps([each["top1"] for each in result.curve]), "precision": precision}
    return row | {"seconds": round(time.monotonic() - start, 2)}


def grid(box: Path, device: str, points: int | None) -> None:
    """Train the points that have no row yet, at most ``points`` of them.

    As many at once as concurrent_trials.py found best for its load, which is not quite the same.
    """
    table = box / "grid.csv"
    done = set()
    if table.exists():
        with table.open(newline="") as file:
            done = {int(row["number"]) for row in csv.DictReader(file)}
    numbers = range(len(json.loads((box / CONFIGS).read_text())))[:points]
    at_once = json.loads((box / CONCURRENT).read_text())["best"]
    with ProcessPoolExecutor(at_once, get_context("spawn")) as pool:
        waiting = [pool.submit(point, box, device, each) for each in numbers if each not in done]
        for each in as_completed(waiting):
            try:
                row = each.result()
            except Exception:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            with table.open("a", newline="") as file:
                writer = csv.DictWriter(file, row)
                if file.tell() == 0:
                    writer.writeheader()
                writer.writerow(row)
            done.add(row["number"])
            print(f"{len(done)} of {len(numbers)} points: {row['objective']:.4f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("pack", "run"))
    parser.add_argument("box", type=Path)
    parser.add_argument("--dataset", default="fashion_mnist", help="to pack; must be prepared")
    parser.add_argument("--epochs", type=int, default=20, help="of each point, to pack")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--toy", action="store_true", help="tiny loads and two points of the grid")
    arguments = parser.parse_args()
    sys.path.insert(0, str(HERE.parent))  # where the project itself is not installed
    os.environ["PYTHONPATH"] = os.pathsep.join(
        each for each in (str(HERE.parent), os.environ.get("PYTHONPATH")) if each
    )
    box, device, toy = arguments.box.resolve(), arguments.device, arguments.toy
    if arguments.what == "pack":
        pack(box, arguments.dataset, arguments.epochs)
        return
    if not (box / CONFIGS).is_file():
        parser.error(f"{box} was not made by pack")
    if device != "cpu":
        from pipeline.settings.accelerators import use_freest_device

        use_freest_device()
    measure(box, device, toy)
    tests(box)
    grid(box, device, 2 if toy else None)


if __name__ == "__main__":
    main()
