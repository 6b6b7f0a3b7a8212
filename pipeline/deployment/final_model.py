"""Package and register a cell's final model: the refit with the first seed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch

from pipeline.base.files import write_bytes, write_text
from pipeline.base.locks import alone
from pipeline.datasets.decoding import Decoding
from pipeline.datasets.listing import Split
from pipeline.deployment.calibration import calibration
from pipeline.deployment.card import card
from pipeline.deployment.description import Description, read
from pipeline.deployment.onnx_export import Measured
from pipeline.deployment.onnx_session import as_input
from pipeline.deployment.package import package
from pipeline.deployment.pixels_graph import with_preprocessing
from pipeline.deployment.predictor import CARD, DESCRIPTION, ONNX, WITH_PREPROCESSING
from pipeline.deployment.registry import Registry, log_onnx
from pipeline.deployment.speed import measure_cost
from pipeline.deployment.tested import figures, recorded_logits, write_predictions
from pipeline.settings.folders import lock_file
from pipeline.settings.schema import Config
from pipeline.training.cropping import HostCropper
from pipeline.training.data import EVALUATION_BATCH, TEST, CentreCrops
from pipeline.training.final_output import MODEL, PREDICTIONS
from pipeline.trials.contract import Calibration, Figures, FinalFile, Outcome
from pipeline.trials.identity import key_of, versions
from pipeline.trials.journal import KEY_TAG, Journal
from pipeline.trials.resources import Resources


@dataclass(frozen=True)
class Delivered:
    """The results of the packaged model on the test split."""

    figures: Figures
    calibration: Calibration


def deliver(
    cfg: Config,
    journal: Journal,
    outcomes: Mapping[int, Outcome],
    resources: Resources,
    temperature: float,
    folder: Path,
) -> Delivered:
    """Write ``model`` and ``predictions.parquet`` into the cell's ``folder``; measure the model.

    It is the model of the first seed, never the one best on test. Raises OnnxMismatchError if it
    computes something else on the test images than its trial recorded.
    """
    manifest = resources.manifest
    logits = {seed: recorded_logits(journal, each.run_id) for seed, each in outcomes.items()}
    seed, first = next(iter(outcomes.items()))
    measured = Measured(images_of("test", cfg, resources), logits[seed])
    description = describe(cfg, resources, first.key, temperature)
    with journal.artifact(first.run_id, MODEL) as weights:
        logits[seed] = package(description, weights, measured, folder / "model")
    whole = folder / "model" / WITH_PREPROCESSING
    whole.unlink(missing_ok=True)
    if cfg.evaluate.onnx_with_preprocessing:
        model = with_preprocessing(onnx.load(folder / "model" / ONNX), description)
        write_bytes(whole, model.SerializeToString())
    write_predictions(manifest, logits, temperature, folder / PREDICTIONS)
    labels = manifest.labels[manifest.rows(TEST)]
    return Delivered(
        figures(manifest, logits[seed]), calibration(logits[seed], labels, temperature)
    )


def describe(cfg: Config, resources: Resources, key: str, temperature: float) -> Description:
    """Describe the model of the final trial with this key."""
    return Description(
        format=2,
        arch=cfg.model.arch,
        classes=resources.manifest.class_names,
        mean=cfg.model.mean,
        std=cfg.model.std,
        decoding=Decoding.of(cfg.dataset),
        resize=cfg.recipe.resize,
        resize_size=cfg.recipe.resize_size,
        image_size=cfg.recipe.image_size,
        temperature=temperature,
        dataset=cfg.dataset.name,
        title=cfg.dataset.title,
        point=cfg.point.model_dump(),
        data_digest=resources.environment.data_digest,
        key=key,
        versions=versions(),
    )


def write_card(cfg: Config, final: FinalFile, folder: Path) -> None:
    """Write the model card of the model in ``folder``; measures how fast the model is here."""
    description = read(folder / DESCRIPTION)
    cost = measure_cost(folder / ONNX, description.image_size)
    write_text(folder / CARD, card(cfg, description, final, cost))


def images_of(split: Split, cfg: Config, resources: Resources) -> Iterator[np.ndarray]:
    """Yield the images of a split as the network receives them, uint8 [N, S, S, 3], in batches."""
    rows = resources.manifest.rows((split,))
    cropper = HostCropper(resources.store, cfg.recipe, torch.get_num_threads())
    crops = CentreCrops(cropper, resources.manifest.labels, cfg.recipe)
    for start in range(0, len(rows), EVALUATION_BATCH):
        yield crops[rows[start : start + EVALUATION_BATCH]].images.numpy()


def register_final(
    cfg: Config,
    journal: Journal,
    first: Outcome,
    resources: Resources,
    objective: float,
    folder: Path,
) -> str:
    """Register the packaged model in ``folder`` for its dataset, once; return its status in words.

    ``objective`` is the value on validation for which its point was chosen.
    """
    point = cfg.point.model_dump()
    name = f"vdtransfer-{cfg.project}-{cfg.dataset.name}"
    registry = Registry(journal, name)
    with alone(lock_file(f"model-{key_of(name)[:16]}"), f"registration of {name}"):
        choice = {"objective": objective, "chosen_by": cfg.objective}
        version = registry.find(first.key)
        if version is None:
            model_id = log_onnx(
                journal,
                first.run_id,
                folder / ONNX,
                as_input(next(images_of("val", cfg, resources))[:1]),
                name=f"{cfg.dataset.name}-{cfg.model.name}",
                params=point,
            )
            tags = {
                KEY_TAG: first.key,
                **choice,
                "data_digest": resources.environment.data_digest,
                "dataset": cfg.dataset.name,
                "model": cfg.model.name,
                **point,
            }
            title = f"{cfg.title}: {cfg.dataset.title}"
            version = registry.register(model_id, first.run_id, tags, title)
        elif version.chosen_by != cfg.objective:
            version = registry.restate(version, choice)
        champion = registry.settle(version)
    shown = f"registered in MLflow: {registry.name}, version {version.number}"
    if champion.number == version.number:
        return f"{shown}, now the champion"
    why = ""
    if champion.data_digest != version.data_digest:
        why = ", chosen on other data"
    elif champion.chosen_by != version.chosen_by:
        why = ", chosen by another objective"
    return f"{shown}; the champion is version {champion.number}{why}"
