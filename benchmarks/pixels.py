"""Compare the pixels of training crops made by PaddleClas and by each way of this project.

Run: python benchmarks/pixels.py
Needs opencv-python-headless. PaddleClas cuts a box out of the full-size image and resizes it with
``cv2.resize`` (RandCropImage, ppcls/data/imaug/operators.py, release/2.0). The same boxes are cut
in each way from scikit-learn's two photographs. Columns, on a scale of 0 to 255: *gradient* is the
mean absolute difference of horizontal neighbours, and *difference* is the mean absolute difference
from PaddleClas's crops.
"""

from collections.abc import Callable

import cv2
import numpy as np
from sklearn.datasets import load_sample_images
from tabulate import tabulate

from pipeline.base.arguments import documented
from pipeline.datasets.decoding import shrink
from pipeline.training.augment import Box, Resize, Window, crop, random_box

SIZE = 224
Cut = Callable[[np.ndarray, Box], np.ndarray]


def paddleclas(photo: np.ndarray, box: Box) -> np.ndarray:
    """Cut and resize a box as RandCropImage does."""
    left, top, right, bottom = box
    return np.asarray(cv2.resize(photo[top:bottom, left:right], (SIZE, SIZE)))


def stored(side: int | None, resize: Resize) -> Cut:
    """Return a function that cuts a box out of an image stored with short side ``side``.

    None stores the image at its original size.
    """

    def cut(photo: np.ndarray, box: Box) -> np.ndarray:
        kept = shrink(photo, side)
        factor = kept.shape[0] / photo.shape[0], kept.shape[1] / photo.shape[1]
        left, top, right, bottom = box
        scaled = (
            round(left * factor[1]),
            round(top * factor[0]),
            max(round(right * factor[1]), round(left * factor[1]) + 1),
            max(round(bottom * factor[0]), round(top * factor[0]) + 1),
        )
        return crop(kept, Window(scaled, (SIZE, SIZE)), SIZE, resize)

    return cut


WAYS: dict[str, Cut] = {
    "PaddleClas (OpenCV, full size)": paddleclas,
    "resize: opencv, store: original (recipe paddle)": stored(None, "opencv"),
    "resize: antialias, store: original": stored(None, "antialias"),
    "resize: antialias, store: 256": stored(256, "antialias"),
}


def main() -> None:
    parser = documented(__doc__)
    parser.add_argument("--boxes", type=int, default=200, help="of each photograph (default: 200)")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    tasks = [
        (photo, random_box(photo.shape[1], photo.shape[0], (0.08, 1.0), "paddle", rng))
        for photo in map(np.asarray, load_sample_images().images)
        for _ in range(arguments.boxes)
    ]
    reference = [paddleclas(photo, box).astype(int) for photo, box in tasks]
    rows = []
    for name, cut in WAYS.items():
        crops = [cut(photo, box).astype(int) for photo, box in tasks]
        gradient = float(np.mean([np.abs(np.diff(each, axis=1)).mean() for each in crops]))
        pairs = zip(crops, reference, strict=True)
        difference = float(np.mean([np.abs(each - other).mean() for each, other in pairs]))
        rows.append([name, gradient, difference])
    whole = rows[0][1]
    table = [[name, gradient, gradient / whole, difference] for name, gradient, difference in rows]
    headers = ["crops", "gradient", "of PaddleClas's", "difference"]
    print(tabulate(table, headers, floatfmt=("", ".2f", ".3f", ".2f")))


if __name__ == "__main__":
    main()
