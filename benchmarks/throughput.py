"""Measure what a trial costs on the processor beyond the arithmetic of its network.

    python benchmarks/throughput.py [--size 224 64] [--json PATH]

Trains ResNet50_vd in three ways, in turns, in one process, and compares their images per second:

* floor: a bare PyTorch loop over batches that are ready in memory, with the flags of a trial
  (channels_last, bf16 autocast where the processor has it, fused SGD);
* trial: a trial of this project through the journal: stored images, random crops, flips, the record
  of each epoch, MLflow;
* stock: a script as most people write it, with Lightning, timm and torchvision's ImageFolder on
  JPEG files of 500x375: float32, default memory format, default DataLoader.

Freed memory is kept in all three ways, because that is a setting of the process; a plain script
would be slower by what this saves.

Every turn is two epochs, timed from the end of its second step to the end of its last; validation
of two images is part of the trial's time. A ratio is the median over turns, so that other work on
the machine affects both sides. On a busy machine the ratio of processor time, over all threads, is
steadier. The fixed cost is the time that the second and later trials of a process take outside fit.
"""

import pipeline  # noqa: F401  # before torch: sets how OpenMP's threads wait

# isort: split
import logging
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from pipeline.base.arguments import documented
from pipeline.base.files import write_json
from pipeline.base.memory import keep_freed_memory
from pipeline.datasets.decoding import Decoding
from pipeline.datasets.listing import Split
from pipeline.datasets.pixels import Stored, write_store
from pipeline.settings.folders import prepared_dir
from pipeline.training.devices import resolve_precision
from pipeline.trials.journal import Journal
from synthetic import configured, run_trial, write_manifest, write_photographs
from throughput_ways import EPOCHS, PHOTOGRAPHS, Load, floor, stock, trial

SKIPPED = 2
"""Steps at the start of a turn that do not count."""

Turns = list[tuple[float, float]]


@contextmanager
def step_ends() -> Iterator[list[tuple[float, float]]]:
    """Collect the wall time and the processor time at which each optimiser step ends."""
    ends: list[tuple[float, float]] = []
    handle = register_optimizer_step_post_hook(
        lambda *_: ends.append((time.perf_counter(), time.process_time()))
    )
    try:
        yield ends
    finally:
        handle.remove()


def prepare(images: int) -> None:
    """Write photographs as files for stock and as a store for trial; add two for validation."""
    files = write_photographs(PHOTOGRAPHS, images + 2)
    splits: list[Split] = ["train"] * images + ["val"] * 2
    pixels = prepared_dir(PHOTOGRAPHS.name) / "pixels.bin"
    placed, digest = write_store(files, pixels, Decoding(256), workers=1, title="photographs")
    stored = [each for each in placed if isinstance(each, Stored)]
    write_manifest(PHOTOGRAPHS.name, stored, splits, digest)


def rates(load: Load, ways: dict[str, Callable[[], None]], repeats: int) -> dict[str, Turns]:
    """Return images per second of wall time and of processor time, for each turn of each way."""
    speeds: dict[str, Turns] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, turn in ways.items():
            with step_ends() as ends:
                turn()
            images = load.batch * (len(ends) - SKIPPED)
            (start, start_used), (stop, stop_used) = ends[SKIPPED - 1], ends[-1]
            speeds[name].append((images / (stop - start), images / (stop_used - start_used)))
    return speeds


def measure(load: Load, precision: str, repeats: int) -> dict[str, Any]:
    ways = {
        "floor": floor(load, precision),
        "trial": trial(load, Journal.open("throughput")),
        "stock": stock(load),
    }
    speeds = rates(load, ways, repeats)

    def ratio(name: str, clock: int) -> float:
        pairs = zip(speeds["trial"], speeds[name], strict=True)
        return statistics.median(ours[clock] / theirs[clock] for ours, theirs in pairs)

    return {
        "size": load.size,
        "batch": load.batch,
        "images_per_second": {
            name: statistics.median(rate for rate, _ in turns) for name, turns in speeds.items()
        },
        "trial_over_floor": ratio("floor", 0),
        "trial_over_stock": ratio("stock", 0),
        "trial_over_floor_processor": ratio("floor", 1),
        "trial_over_stock_processor": ratio("stock", 1),
        "turns": speeds,
    }


def fixed_cost(trials: int) -> dict[str, Any]:
    """Return the median seconds of the second and later trials, in all and outside fit."""
    batch = 4
    images = 2 * batch + 2
    pixels = prepared_dir("tiny") / "pixels.bin"
    pixels.parent.mkdir(parents=True)
    pixels.write_bytes(bytes(3 * 32 * 32 * images))
    stored = [Stored("0" * 64, 3 * 32 * 32 * number, 32, 32) for number in range(images)]
    write_manifest("tiny", stored, ["train"] * (images - 2) + ["val"] * 2, "0" * 64)
    sides = ("recipe.image_size=32", "recipe.resize_size=32")
    cfg = configured("tiny", "recipe.epochs=1", f"recipe.batch_size={batch}", *sides)
    journal = Journal.open("throughput")
    whole, outside = [], []
    for number in range(trials):
        start = time.perf_counter()
        result = run_trial(cfg, journal, number).result
        whole.append(time.perf_counter() - start)
        outside.append(whole[-1] - result.fit_seconds)
    return {
        "trials": trials,
        "whole_trial_seconds": statistics.median(whole[1:]),
        "outside_fit_seconds": statistics.median(outside[1:]),
    }


def main() -> None:
    parser = documented(__doc__, json=True)
    parser.add_argument("--size", type=int, nargs="+", default=[224, 64], help="crops, in pixels")
    parser.add_argument("--steps", type=int, default=10, help="counted in a turn (default: 10)")
    parser.add_argument("--batch", type=int, default=32, help="images of a step (default: 32)")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each way (default: 3)")
    parser.add_argument("--trials", type=int, default=6, help="for the fixed cost (default: 6)")
    arguments = parser.parse_args()
    if arguments.steps < 2 or arguments.steps % EPOCHS or arguments.trials < 2:
        parser.error("--steps takes even numbers from 2, --trials numbers from 2")
    target = arguments.json and arguments.json.resolve()

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    threads = os.cpu_count() or 1
    torch.set_num_threads(threads)
    keep_freed_memory()  # as the first trial does, for all that follows it in the process
    precision = resolve_precision("auto", "cpu")
    about = {
        "machine": f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
        "torch": torch.__version__,
        "precision": precision,
        "threads": threads,
    }
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    with TemporaryDirectory() as folder, chdir(folder):
        epoch_steps = (SKIPPED + arguments.steps) // EPOCHS
        prepare(epoch_steps * arguments.batch)
        print(f"{'':>6} {'images per second':^26}   {'trial over':^15}   {'by processor':^15}")
        ratios = f"{'floor':>7} {'stock':>7}"
        print(f"{'size':>6} {'floor':>8} {'trial':>8} {'stock':>8}   {ratios}   {ratios}")
        results = []
        for size in arguments.size:
            load = Load(size, arguments.batch, epoch_steps)
            result = measure(load, precision, arguments.repeats)
            results.append(result)
            speeds = result["images_per_second"]
            print(
                f"{size:>6} {speeds['floor']:8.2f} {speeds['trial']:8.2f} {speeds['stock']:8.2f} "
                f"  {result['trial_over_floor']:7.3f} {result['trial_over_stock']:7.2f}  "
                f" {result['trial_over_floor_processor']:7.3f}"
                f" {result['trial_over_stock_processor']:7.2f}",
                flush=True,
            )
        fixed = fixed_cost(arguments.trials)
    print(
        f"fixed cost of a trial: {fixed['outside_fit_seconds']:.2f} s outside fit "
        f"({fixed['whole_trial_seconds']:.2f} s with its fit: two steps of four images at 32 px)"
    )
    if target:
        write_json(target, about | {"results": results, "fixed_cost": fixed})


if __name__ == "__main__":
    main()
