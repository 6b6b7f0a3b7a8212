"""Measure whether a trial's memory grows with the dataset: its peak on few and on many images.

    python benchmarks/memory.py [--json PATH]

Each case is a fresh process that trains ResNet50_vd for four steps on 32 px images and validates on
a hundredth of the dataset. It measures anonymous memory (RssAnon of /proc/self/status, so on Linux
only). The pages of the mapped pixel store do not count: the system can drop them at any time.
"""

import multiprocessing
import os
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.base.arguments import documented
from pipeline.base.files import write_json
from pipeline.datasets.listing import Split
from pipeline.datasets.pixels import Stored
from pipeline.settings.folders import prepared_dir
from pipeline.trials.journal import Journal
from synthetic import configured, run_trial, write_manifest

SIDE = 32
BYTES = 3 * SIDE * SIDE
STATUS = Path("/proc/self/status")
INTERVAL = 0.01
"""Seconds between samples of the memory."""


def anonymous() -> int:
    """Return the anonymous memory of this process in bytes."""
    match = re.search(r"^RssAnon:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    assert match is not None
    return 1024 * int(match[1])


@contextmanager
def sampled() -> Iterator[list[int]]:
    """Sample the anonymous memory of this process while the block runs."""
    samples = [anonymous()]
    over = threading.Event()

    def sample() -> None:
        while not over.wait(INTERVAL):
            samples.append(anonymous())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def peak(images: int) -> int:
    """Return the peak memory in bytes of a trial on ``images`` stored images."""
    with TemporaryDirectory() as folder, chdir(folder):
        dataset = f"images{images}"
        pixels = prepared_dir(dataset) / "pixels.bin"
        pixels.parent.mkdir(parents=True)
        pixels.touch()
        os.truncate(pixels, BYTES * images)  # black images that take no disk space
        stored = [Stored("0" * 64, BYTES * number, SIDE, SIDE) for number in range(images)]
        splits: list[Split] = ["val" if i % 100 == 0 else "train" for i in range(images)]
        write_manifest(dataset, stored, splits, "0" * 64)
        sides = (f"recipe.image_size={SIDE}", f"recipe.resize_size={SIDE}")
        cfg = configured(dataset, "recipe.epochs=null", "recipe.steps=4", *sides)
        with sampled() as samples:
            run_trial(cfg, Journal.open("memory"), 0)
        return max(samples)


def alone(images: int) -> int:
    """Run ``peak`` in a new process."""
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawned) as pool:
        return pool.submit(peak, images).result()


def main() -> None:
    parser = documented(__doc__, json=True)
    parser.add_argument(
        "--images", type=int, nargs=2, default=[2_000, 75_000], metavar=("FEW", "MANY")
    )
    arguments = parser.parse_args()
    print(f"{'images':>8}  peak anonymous memory")
    peaks: list[int] = []
    for images in arguments.images:
        peaks.append(alone(images))
        print(f"{images:>8} {peaks[-1] / 1e6:11.0f} MB", flush=True)
    print(f"{'more':>8} {(peaks[1] - peaks[0]) / 1e6:11.0f} MB")
    if arguments.json:
        cases: list[dict[str, Any]] = [
            {"images": images, "peak_bytes": each}
            for images, each in zip(arguments.images, peaks, strict=True)
        ]
        write_json(arguments.json, {"cases": cases, "difference_bytes": peaks[1] - peaks[0]})


if __name__ == "__main__":
    main()
