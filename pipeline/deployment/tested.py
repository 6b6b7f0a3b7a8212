"""Read, measure and write the answers of a cell's refits for every test image."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from pipeline.base.files import replacing
from pipeline.datasets.manifest import Manifest
from pipeline.training.data import TEST
from pipeline.training.final_output import PREDICTIONS, predictions
from pipeline.training.metrics import measure
from pipeline.trials.contract import Figures
from pipeline.trials.journal import Journal


def recorded_logits(journal: Journal, run_id: str) -> np.ndarray:
    """Read the logits, float32 [N, K], that a final trial recorded for the test images."""
    with journal.artifact(run_id, PREDICTIONS) as path:
        rows = pq.read_table(path, columns=["logits"])["logits"]
        return np.stack(rows.to_numpy()).astype(np.float32)


def figures(manifest: Manifest, logits: np.ndarray) -> Figures:
    """Measure logits [N, K] of the test images against their labels."""
    labels = torch.from_numpy(manifest.labels[manifest.rows(TEST)])
    return Figures.model_validate(asdict(measure(torch.from_numpy(logits), labels)))


def write_predictions(
    manifest: Manifest, logits: Mapping[int, np.ndarray], temperature: float, path: Path
) -> None:
    """Write a row for each seed and test image; ``logits`` [N, K] are those of each seed."""
    tables = []
    for seed, values in logits.items():
        table = predictions(manifest, torch.from_numpy(values), temperature)
        table = table.drop_columns(["logits"])
        column = pa.array([seed] * len(table), pa.int64())
        tables.append(table.add_column(0, "seed", column))
    with replacing(path) as temporary:
        pq.write_table(pa.concat_tables(tables), temporary)
