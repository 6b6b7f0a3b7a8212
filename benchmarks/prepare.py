"""Compare scaled JPEG decoding with a plain loop of PIL open, convert and resize.

    python benchmarks/prepare.py [--json PATH]

The photographs are scikit-learn's two samples, resized to the given sizes and saved as JPEG of
quality 90. Each way decodes the same files on one core, in turns; the fastest turn counts.
"""

import io
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL
from PIL import Image, features
from sklearn.datasets import load_sample_images

from pipeline.base.arguments import documented
from pipeline.base.files import write_json
from pipeline.datasets.decoding import Decoding, decode, target_size

SIDE = 256
SIZES = ((500, 375), (640, 480), (1024, 768), (2048, 1536))
Way = Callable[[bytes], np.ndarray]


def plain(data: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    return np.asarray(image.resize(target_size(image.size, SIDE), Image.Resampling.BILINEAR))


def photographs(size: tuple[int, int], copies: int) -> list[bytes]:
    files = []
    for pixels in load_sample_images().images:
        buffer = io.BytesIO()
        Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS).save(
            buffer, "JPEG", quality=90
        )
        files.append(buffer.getvalue())
    return files * copies


def rates(ways: dict[str, Way], files: list[bytes], turns: int) -> dict[str, float]:
    """Return images per second and core of each way in the fastest of its ``turns``."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(turns):
        for name, way in ways.items():
            start = time.process_time()
            for data in files:
                way(data)
            best[name] = min(best[name], time.process_time() - start)
    return {name: len(files) / seconds for name, seconds in best.items()}


def measure(size: tuple[int, int], copies: int, turns: int) -> dict[str, Any]:
    exact, scaled = Decoding(SIDE, scaled=False), Decoding(SIDE)
    ways: dict[str, Way] = {
        "plain": plain,
        "exact": lambda data: decode(data, exact),
        "scaled": lambda data: decode(data, scaled),
    }
    files = photographs(size, copies)
    far = [decode(f, scaled).astype(int) - decode(f, exact) for f in files[:2]]
    speeds = rates(ways, files, turns)
    return {
        "size": list(size),
        "images_per_second": speeds,
        "scaled_over_plain": speeds["scaled"] / speeds["plain"],
        "mean_difference_to_exact": float(np.mean([np.abs(d).mean() for d in far])),
    }


def main() -> None:
    parser = documented(__doc__, json=True)
    parser.add_argument("--copies", type=int, default=10, help="of each photograph (default: 10)")
    parser.add_argument("--turns", type=int, default=5, help="of each way (default: 5)")
    arguments = parser.parse_args()

    codec = "libjpeg-turbo" if features.check_feature("libjpeg_turbo") else "libjpeg"
    print(f"Pillow {PIL.__version__} ({codec}), {platform.machine()}; images/s on one core")
    print(f"{'size':>10} {'plain':>8} {'exact':>8} {'scaled':>8} {'gain':>6}  mean difference")
    results = []
    for size in SIZES:
        result = measure(size, arguments.copies, arguments.turns)
        results.append(result)
        rate = result["images_per_second"]
        print(
            f"{size[0]:>5}x{size[1]:<4} {rate['plain']:8.0f} {rate['exact']:8.0f} "
            f"{rate['scaled']:8.0f} {result['scaled_over_plain']:5.2f}x "
            f" {result['mean_difference_to_exact']:.2f} of 255"
        )
    if arguments.json:
        about = {"pillow": PIL.__version__, "codec": codec, "machine": platform.machine()}
        write_json(arguments.json, about | {"store_side": SIDE, "results": results})


if __name__ == "__main__":
    main()
