"""Write the files of a final trial: its weights and its predictions on the test split."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

from pipeline.base.files import replacing
from pipeline.datasets.manifest import Manifest
from pipeline.training.data import TEST
from pipeline.training.trial import FinalOutput

MODEL = "model.safetensors"
PREDICTIONS = "predictions.parquet"
FINAL_FILES = (MODEL, PREDICTIONS)


def write_final(folder: Path, manifest: Manifest, final: FinalOutput) -> None:
    """Write the weights and the predictions of a final trial, each file whole or not at all."""
    with replacing(folder / MODEL) as temporary:
        save_file({k: v.contiguous() for k, v in final.state.items()}, temporary)
    with replacing(folder / PREDICTIONS) as temporary:
        pq.write_table(predictions(manifest, final.logits), temporary)


def predictions(manifest: Manifest, logits: torch.Tensor, temperature: float = 1.0) -> pa.Table:
    """Make a row per test image: path, label, prediction, probability, top5 (numbers), logits."""
    rows = manifest.rows(TEST)
    # Of equal logits the first class counts, as in the accuracy.
    order = logits.float().argsort(dim=1, descending=True, stable=True)[:, :5]
    probability = (logits.float() / temperature).softmax(1).gather(1, order)
    return pa.table(
        {
            "path": manifest.table["path"].take(pa.array(rows)),
            "label": manifest.labels[rows],
            "prediction": order[:, 0].numpy(),
            "probability": probability[:, 0].numpy(),
            "top5": order.tolist(),
            "logits": list(logits.float().numpy()),
        }
    )
