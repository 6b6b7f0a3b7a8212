"""The predictions of a final trial: the accuracy they give is the accuracy that is reported."""

import numpy as np
import pyarrow as pa
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.manifest import Manifest
from pipeline.training.final_output import predictions
from pipeline.training.metrics import measure


def manifest(labels: list[int]) -> Manifest:
    count = len(labels)
    columns = {
        "path": [f"{number}.png" for number in range(count)],
        "label": labels,
        "class_name": ["abcdef"[label] for label in labels],
        "split": ["test"] * count,
        "sha256": ["0" * 64] * count,
        "offset": [0] * count,
        "height": [1] * count,
        "width": [1] * count,
    }
    return Manifest.of(pa.table(columns), ["a", "b", "c", "d", "e", "f"], "0" * 64)


@given(st.lists(st.tuples(st.integers(0, 5), *[st.integers(0, 2)] * 6), min_size=1, max_size=9))
def test_equal_logits_give_the_class_that_the_accuracy_counts(rows):
    labels = [label for label, *_ in rows]
    logits = torch.tensor([values for _, *values in rows], dtype=torch.bfloat16)
    table = predictions(manifest(labels), logits).to_pandas()
    right = float(np.mean(table["prediction"] == table["label"]))
    assert right == measure(logits, torch.tensor(labels)).top1
    assert [top[0] for top in table["top5"]] == table["prediction"].tolist()
