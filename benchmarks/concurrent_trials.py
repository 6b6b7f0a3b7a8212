"""Measure how many trials at once fill a device, by the images a second of all of them.

    python benchmarks/concurrent_trials.py [--size 64] [--batch 32] [--counts 1 2 4] [--json PATH]

Each trial has a process of its own, as with ``VDTRANSFER_PROCESSES``. The trials wait for each
other after their second step, so their start-up does not count. The clock stops when the last trial
is done. ``best`` is the smallest count within 5 % of the highest rate, because each trial takes
memory of its own.

Needs the same packages as accelerator.py. On a processor the trials share its cores.
"""

import pipeline  # noqa: F401  # before torch: sets how OpenMP's threads wait

# isort: split
import os
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from accelerator import SKIPPED, Bench
from pipeline.base.arguments import documented
from pipeline.base.files import write_json
from pipeline.settings.accelerators import use_freest_device
from pipeline.settings.schema import Config
from pipeline.training.devices import resolve_device, resolve_precision
from without_mlflow import configuration

ENOUGH = 0.95
"""A rate of at least this share of the highest counts as good enough."""
PATIENCE = 300.0
"""Seconds that trials wait for the slowest one to start."""


@dataclass(frozen=True)
class Load:
    """The configuration and the device of each trial."""

    cfg: Config
    device: str
    precision: str
    steps: int


_meet: Callable[[], object]
"""Waits until all trials are ready; set in each trial's process."""


def _begin(meet: Callable[..., object]) -> None:
    global _meet
    _meet = meet


def train(load: Load, threads: int) -> tuple[float, float]:
    """Train one trial; return the times at which its counted steps began and ended."""
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    torch.set_num_threads(threads)
    with TemporaryDirectory() as folder:
        bench = Bench(load.cfg, Path(folder), load.device, load.precision, load.steps)
        with bench.timed(_meet) as ends:
            bench.run("trial", load.cfg.machine.data)
    return ends[SKIPPED - 1], ends[load.steps - 1]


def rate(load: Load, count: int) -> float:
    """Return images a second of ``count`` trials at once."""
    spawn = get_context("spawn")  # CUDA does not survive a fork
    meet = spawn.Barrier(count, timeout=PATIENCE)
    threads = max(1, (os.cpu_count() or 1) // count)
    with ProcessPoolExecutor(count, spawn, _begin, (meet.wait,)) as pool:
        spans = list(pool.map(train, [load] * count, [threads] * count))
    begin, end = min(begin for begin, _ in spans), max(end for _, end in spans)
    return count * (load.steps - SKIPPED) * load.cfg.recipe.batch_size / (end - begin)


def best(rates: dict[int, float]) -> int:
    """Return the smallest count whose rate is within 5 % of the highest."""
    return min(count for count, each in rates.items() if each >= ENOUGH * max(rates.values()))


def main() -> None:
    parser = documented(__doc__, json=True)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--arch", default="resnet50d", help="a network of timm")
    parser.add_argument("--size", type=int, default=64, help="crops, in pixels")
    parser.add_argument("--batch", type=int, default=32, help="images of a step")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 4], help="trials at once")
    parser.add_argument("--steps", type=int, default=200, help="steps of each trial, at least 4")
    arguments = parser.parse_args()
    if arguments.steps < SKIPPED + 2:
        parser.error(f"--steps: found {arguments.steps}; allowed: {SKIPPED + 2} or more")
    device = resolve_device(arguments.device)
    if device == "cuda":
        use_freest_device()  # all trials share it
    cfg = configuration(arguments.size, arguments.batch, 1, arguments.arch)
    load = Load(cfg, device, resolve_precision("auto", device), arguments.steps)
    rates = {}
    for count in arguments.counts:
        rates[count] = rate(load, count)
        print(f"{count} at once: {rates[count]:.1f} images/s", flush=True)
    print(f"best: {best(rates)}")
    if arguments.json:
        name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
        about = {"device": name, "arch": arguments.arch, "precision": load.precision}
        about |= {"size": arguments.size, "batch": arguments.batch, "steps": arguments.steps}
        write_json(arguments.json, {**about, "images_per_second": rates, "best": best(rates)})


if __name__ == "__main__":
    main()
