"""Measure what a trial costs on an accelerator beyond its network, and whether its numbers repeat.

    python benchmarks/accelerator.py [--device cuda] [--size 224] [--batch 256] [--json PATH]

Needs torch, torchvision, Lightning, timm, torchmetrics, pyarrow, pydantic and Pillow: no MLflow, no
Hydra, no network. It calls ``train()`` itself on a store of random images, and measures:

* floor: images a second of a bare loop over batches already on the device, with a trial's flags;
  also in other precisions, without deterministic kernels and without CUDA graphs;
* trial: images a second of ``train()`` with crops made on the device, and with crops made on the
  host for comparison;
* stock: images a second of Lightning, timm and torchvision's RandomResizedCrop in one process, in
  float32;
* crops: crops a second of each way to crop, and whether their bytes are equal;
* compile: the speed of the compiled floor, and the number of steps that repays compiling;
* equal: whether a second run and a run that was stopped within an epoch and resumed repeat the
  first, bit for bit.

On CUDA it also prints the peak memory of the trial.

Rates are measured from the end of the second step to the end of the last one, when the device has
finished its work.
``--config PATH`` takes a trial's configuration as JSON (``Config.model_dump_json``); otherwise the
trial is ResNet50_vd from a random start.
"""

import pipeline  # noqa: F401  # before torch: sets how OpenMP's threads wait

# isort: split
import itertools
import json
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch.optim.optimizer import register_optimizer_step_post_hook

from pipeline.base.arguments import documented
from pipeline.base.errors import UserError
from pipeline.base.files import write_json
from pipeline.models.backbones import build
from pipeline.settings.accelerators import use_freest_device
from pipeline.settings.schema import Config, MachineConfig
from pipeline.training.augment import random_window
from pipeline.training.callbacks import Checkpoint, Progress
from pipeline.training.compiling import compiled_forward, forward
from pipeline.training.cropping import DeviceCropper, HostCropper, cropper
from pipeline.training.data import SplitPlan
from pipeline.training.devices import (
    autocast,
    deterministic,
    resolve_device,
    resolve_precision,
    tf32,
)
from pipeline.training.graphs import forget, record, usable
from pipeline.training.trial import Result, train
from without_mlflow import CLASSES, configuration, noise, train_stock

SKIPPED = 2
"""Steps at the start of a measurement that do not count."""
PARTS = ["trial", "floors", "stock", "crops", "equal", "compile"]
PLAN = SplitPlan(("train",), measure="val", predict=None)


class Bench:
    """Measurements of one network and batch on one device."""

    def __init__(self, cfg: Config, folder: Path, device: str, precision: str, steps: int) -> None:
        self.cfg, self.folder, self.device, self.precision = cfg, folder, device, precision
        recipe = cfg.recipe
        self.batch, self.size, self.steps = recipe.batch_size, recipe.image_size, steps
        self.manifest, self.store = noise(folder, steps * self.batch, 8, recipe.resize_size)

    def wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    @contextmanager
    def timed(self, meet: Callable[[], object] = lambda: None) -> Iterator[list[float]]:
        """Collect the times at which optimiser steps end.

        The first and last steps that count wait for the device, so ``rate`` is the speed of all
        steps between them. ``meet`` is called before the clock starts.
        """
        ends: list[float] = []

        def step(*_: object) -> None:
            if len(ends) + 1 in (SKIPPED, self.steps):
                self.wait()
            if len(ends) + 1 == SKIPPED:
                meet()
            ends.append(time.perf_counter())

        handle = register_optimizer_step_post_hook(step)
        try:
            yield ends
        finally:
            handle.remove()

    def rate(self, work: Callable[[], object]) -> float:
        with self.timed() as ends:
            work()
        last = min(len(ends), self.steps) - 1
        return self.batch * (last - SKIPPED + 1) / (ends[last] - ends[SKIPPED - 1])

    def floor(
        self,
        precision: str,
        *,
        compiled: bool = False,
        repeatable: bool = True,
        graphs: bool = True,
    ) -> float:
        """Return images a second of a bare loop; ``repeatable`` asks for deterministic kernels.

        With ``graphs`` it uses CUDA graphs where a trial does.
        """
        network = build(self.cfg.model, CLASSES, weights=None, seed=0).to(self.device)
        network = network.to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.SGD(
            network.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4, fused=True
        )
        images = torch.randn(self.batch, 3, self.size, self.size, device=self.device)
        images = images.contiguous(memory_format=torch.channels_last)
        labels = torch.arange(self.batch, device=self.device) % CLASSES
        logits_of = compiled_forward() if compiled else forward
        at_once = self.cfg.recipe.micro_batch or self.batch
        machine = MachineConfig(device=self.device, compile=compiled)

        def loop() -> None:
            for _ in range(self.steps):
                optimizer.zero_grad()
                for part in range(0, self.batch, at_once):
                    some = slice(part, part + at_once)
                    with autocast(precision, self.device):
                        logits = logits_of(network, images[some])
                    loss = cross_entropy(logits.float(), labels[some], reduction="sum")
                    (loss / self.batch).backward()
                optimizer.step()

        with deterministic(precision) if repeatable else tf32(precision == "tf32"):
            if graphs and usable(machine, self.cfg.recipe):
                record(network, self.batch, self.size, precision)
            try:
                return self.rate(loop)
            finally:
                forget(network)

    def floors(self) -> dict[str, float | None]:
        """Return images a second in each other precision; None if the device lacks it."""
        speeds: dict[str, float | None] = {}
        for precision in ("float32", "tf32", "fp16"):
            try:
                speeds[precision] = self.floor(resolve_precision(precision, self.device))
            except UserError:
                speeds[precision] = None
        speeds["not deterministic"] = self.floor(self.precision, repeatable=False)
        speeds["without graphs"] = self.floor(self.precision, graphs=False)
        return speeds

    def run(self, name: str, where: str) -> Result:
        """Train the trial, or resume it from the checkpoint ``name`` if that exists."""
        machine = MachineConfig(
            data=where,
            precision=self.precision,
            device=self.device,
            threads=torch.get_num_threads(),
            compile=self.cfg.machine.compile,
        )
        return train(
            self.cfg.model_copy(update={"machine": machine}),
            PLAN,
            self.manifest,
            self.store,
            None,
            Checkpoint(self.folder / f"{name}.ckpt", seconds=1e9),
            [Progress(name)],
        )[0]

    def stock(self) -> float:
        """Return images a second of a plain Lightning script on the same images, in float32."""
        return self.rate(
            lambda: train_stock(self.cfg, self.manifest, self.store, self.device, self.steps)
        )

    def crops(self) -> dict[str, Any]:
        """Return crops a second of each way, and whether its bytes equal the host's."""
        rng, recipe = np.random.default_rng(0), self.cfg.recipe
        rows = np.arange(self.batch)
        windows = [random_window(*self.store.size(row), recipe, rng) for row in rows]
        device = torch.device(self.device)
        ways: dict[str, Any] = {
            "host": HostCropper(self.store, recipe, torch.get_num_threads()),
            "resident": cropper(self.store, recipe, "device", self.device),
            "packed": DeviceCropper(self.store, recipe, device, None),
        }
        expected = ways["host"].crops(rows, windows)
        found: dict[str, Any] = {}
        for name, way in ways.items():
            equal = torch.equal(way.crops(rows, windows).cpu(), expected)
            self.wait()
            start = time.perf_counter()
            for _ in range(3):
                way.crops(rows, windows)
            self.wait()
            found[name] = {"per_second": 3 * self.batch / (time.perf_counter() - start)}
            found[name]["equal"] = equal
        return found

    def repeats(self) -> dict[str, bool]:
        """Return whether other runs repeat the results of the first run exactly.

        One is stopped by a SIGTERM within its second epoch, as a preempted trial is, and resumed.
        """
        left = itertools.count(self.steps + self.steps // 2, -1)

        def stop(*_: object) -> None:
            if next(left) == 1:
                signal.raise_signal(signal.SIGTERM)

        whole, again = self.run("whole", "device"), self.run("again", "device")
        handle = register_optimizer_step_post_hook(stop)
        try:
            with suppress(KeyboardInterrupt):
                self.run("stopped", "device")
        finally:
            handle.remove()
        if not (self.folder / "stopped.ckpt").exists():
            raise RuntimeError("no checkpoint was written when the trial was stopped")
        resumed = self.run("stopped", "device")
        host = self.run("host", "host")
        return {
            "two runs": again.curve == whole.curve,
            "a resumed run": resumed.curve == whole.curve,
            "crops on the host": host.curve == whole.curve,
        }

    def compiling(self, eager: float) -> dict[str, float | None]:
        """Return the compiled floor's speed and start-up, and the steps that repay the start-up."""
        start = time.perf_counter()
        compiled = self.floor(self.precision, compiled=True)
        seconds = time.perf_counter() - start - self.steps * self.batch / compiled
        saved = self.batch / eager - self.batch / compiled
        steps = seconds / saved if saved > 0 else None
        return {"per_second": compiled, "seconds": seconds, "pays_from_steps": steps}


def measure(bench: Bench, parts: list[str]) -> dict[str, Any]:
    """Measure the given parts and print each result."""
    found: dict[str, Any] = {}

    def say(name: str, value: Any) -> None:
        found[name] = value
        print(f"{name:24} {json.dumps(value)}", flush=True)

    eager = bench.floor(bench.precision)
    say("floor", eager)
    if "trial" in parts:
        say("trial", bench.rate(lambda: bench.run("trial", "device")))
        say("trial_over_floor", found["trial"] / eager)
        if bench.device == "cuda":
            say("peak_gb", torch.cuda.max_memory_allocated() / 1e9)
        say("trial_host_crops", bench.rate(lambda: bench.run("trial host", "host")))
    if "floors" in parts:
        say("floors", bench.floors())
    if "stock" in parts:
        say("stock", bench.stock())
    if "crops" in parts:
        say("crops", bench.crops())
    if "equal" in parts:
        say("equal", bench.repeats())
    if "compile" in parts:
        say("compile", bench.compiling(eager))
    return found


def main() -> None:
    parser = documented(__doc__, json=True)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--arch", default="resnet50d", help="a network of timm")
    parser.add_argument("--size", type=int, default=224, help="crops, in pixels")
    parser.add_argument("--batch", type=int, default=256, help="images of a step")
    parser.add_argument("--steps", type=int, default=20, help="steps of an epoch, at least 4")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="default: all")
    parser.add_argument("--config", type=Path, help="a trial's configuration as JSON")
    arguments = parser.parse_args()
    if arguments.steps < SKIPPED + 2:
        parser.error(f"--steps: found {arguments.steps}; allowed: {SKIPPED + 2} or more")
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    device = resolve_device(arguments.device)
    if device == "cuda":
        use_freest_device()
    precision = resolve_precision(arguments.precision, device)
    cfg = configuration(arguments.size, arguments.batch, 2, arguments.arch)
    if arguments.config:
        cfg = Config.model_validate_json(arguments.config.read_text())
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    about = {"device": name, "torch": torch.__version__, "precision": precision}
    about |= {"arch": cfg.model.arch, "size": cfg.recipe.image_size, "batch": cfg.recipe.batch_size}
    print(", ".join(f"{key} {value}" for key, value in about.items()), flush=True)
    with TemporaryDirectory() as folder:
        bench = Bench(cfg, Path(folder), device, precision, arguments.steps)
        found = measure(bench, arguments.parts)
    if arguments.json:
        write_json(arguments.json, about | found)


if __name__ == "__main__":
    main()
