"""Compare the speed of `predict` with the limits of the machine, on JPEG files of 500x375.

    python benchmarks/predicting.py [--images 2000] [--block 250] [--arch resnet50_vd] [--json PATH]

Images per second, in turns over blocks of the same files, in one process:

* decoding: Pillow reads and decodes the files to RGB, in a process for each core;
* network: onnxruntime with its own defaults on batches of 32 that are ready in memory;
* predict: this project, from the files to ranked classes, without its start-up.

The first two are limits: predict has to do both. The ratio is the speed of predict divided by that
of the slower limit. It is the median over turns, so that other work on the machine affects all
three. The ratio can reach 1 if decoding costs little compared with the network, or the reverse. If
both cost the same, it cannot exceed a half, because the same cores do both.
"""

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from pipeline.base.arguments import documented
from pipeline.base.files import write_json
from pipeline.datasets.decoding import Decoding
from pipeline.deployment import network, predictor
from pipeline.deployment.classifying import predictions
from pipeline.deployment.description import Description
from pipeline.deployment.inputs import Unreadable
from pipeline.deployment.onnx_export import Measured
from pipeline.deployment.onnx_session import INPUT, as_input, session
from pipeline.deployment.package import package
from pipeline.deployment.predictor import Predictor
from pipeline.models.architecture import timm_name
from pipeline.settings.machine import hardware
from synthetic import CLASSES, write_photographs

BATCH = 32


def packaged(folder: Path, arch: str, size: int) -> Path:
    """Write a model folder with random weights."""
    torch.manual_seed(0)
    weights = folder / "weights.safetensors"
    save_file(timm.create_model(timm_name(arch), num_classes=CLASSES).state_dict(), weights)
    description = Description(
        format=2,
        arch=arch,
        classes=[f"class{number}" for number in range(CLASSES)],
        mean=[0.485, 0.456, 0.406],
        std=[0.229, 0.224, 0.225],
        decoding=Decoding(side=256, scaled=True, max_pixels=10**8, crop_bottom=0),
        resize="antialias",
        resize_size=round(size * 256 / 224),
        image_size=size,
        temperature=1.0,
        dataset="photographs",
        title="Photographs",
        point={},
        data_digest="",
        key="",
        versions={},
    )
    images = np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype(np.uint8)
    with torch.inference_mode():
        logits = network.load(description, weights)(torch.from_numpy(as_input(images)))[0]
    package(description, weights, Measured([images], logits.numpy()), folder / "model")
    return folder / "model"


def decoded(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.convert("RGB").size


def rate(images: int, work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return images / (time.perf_counter() - start)


def predicted(model: Predictor, paths: Sequence[Path]) -> None:
    rows = list(predictions(model, paths, 5, Unreadable(), rows_shown=True))
    assert len(rows) == len(paths)


def measured(paths: Sequence[Path], model: Path, block: int) -> list[dict[str, float]]:
    """Return the images per second of decoding, network and predict in each turn."""
    opened, loaded = session(model / predictor.ONNX), predictor.load(model)
    some = [loaded.description.image(path.read_bytes()) for path in paths[:BATCH]]
    ready = as_input(np.stack(some))
    cores = len(os.sched_getaffinity(0))
    turns = []
    with multiprocessing.get_context("spawn").Pool(cores) as pool:

        def network_alone() -> None:
            for start in range(0, block, BATCH):
                opened.run(None, {INPUT: ready[: min(BATCH, block - start)]})

        pool.map(decoded, paths[: 2 * cores])
        network_alone()
        for start in range(0, len(paths) - block + 1, block):
            part = paths[start : start + block]
            turns.append(
                {
                    "decoding": rate(block, lambda part=part: pool.map(decoded, part, 8)),
                    "network": rate(block, network_alone),
                    "predict": rate(block, lambda part=part: predicted(loaded, part)),
                }
            )
            print(
                "  ".join(f"{name} {value:8.1f}" for name, value in turns[-1].items()), flush=True
            )
    return turns


def summary(turns: Sequence[dict[str, float]]) -> dict[str, Any]:
    medians = {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}
    ratios = [turn["predict"] / min(turn["decoding"], turn["network"]) for turn in turns]
    return {
        "images_per_second": medians,
        "predict_over_slower_floor": statistics.median(ratios),
        "lowest": min(ratios),
        "highest": max(ratios),
    }


def main() -> None:
    parser = documented(__doc__, json=True)
    parser.add_argument("--images", type=int, default=2000, help="JPEG files (default: 2000)")
    parser.add_argument("--block", type=int, default=250, help="files of a turn (default: 250)")
    parser.add_argument("--arch", default="resnet50_vd", help="network (default: resnet50_vd)")
    parser.add_argument("--size", type=int, default=224, help="side of an image (default: 224 px)")
    options = parser.parse_args()
    if not 0 < options.block <= options.images:
        parser.error("--block takes a number from 1 to --images")
    with TemporaryDirectory() as folder:
        model = packaged(Path(folder), options.arch, options.size)
        paths = write_photographs(Path(folder) / "photographs", options.images)
        turns = measured(paths, model, options.block)
    result = {
        "machine": hardware("cpu"),
        "images": options.images,
        "arch": options.arch,
        "size": options.size,
        **summary(turns),
        "turns": turns,
    }
    shown = "  ".join(f"{name} {v:.1f}" for name, v in result["images_per_second"].items())
    print(f"{result['machine']}; {options.arch} at {options.size} px; images/s: {shown}")
    print(
        f"predict over the slower floor: {result['predict_over_slower_floor']:.2f} "
        f"({result['lowest']:.2f} to {result['highest']:.2f} over {len(turns)} turns)"
    )
    if options.json:
        write_json(options.json, result)


if __name__ == "__main__":
    main()
