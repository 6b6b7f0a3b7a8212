"""Package and register a cell's final model: the refit with the first seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import numpy as np

from pipeline.base.locks import alone
from pipeline.datasets.decoding import Decoding
from pipeline.datasets.listing import Split
from pipeline.deployment.description import DecodingDescription, Description
from pipeline.deployment.onnx_export import Measured
from pipeline.deployment.onnx_file import INPUT, OUTPUTS, as_input, session
from pipeline.deployment.package import package
from pipeline.deployment.predictor import ONNX
from pipeline.deployment.registry import Registry, log_onnx
from pipeline.settings.folders import lock_file
from pipeline.settings.schema import Config
from pipeline.training.cropping import HostCropper
from pipeline.training.data import EVALUATION_BATCH, CentreCrops
from pipeline.training.final_output import MODEL
from pipeline.trials.identity import key_of, versions
from pipeline.trials.journal import Journal
from pipeline.trials.resources import Resources
from pipeline.trials.run import Outcome

REQUIREMENTS = ("mlflow", "numpy", "onnx", "onnxruntime")
"""Packages that the registered model needs to run; ``Description.versions`` are for training."""


def package_final(
    cfg: Config,
    journal: Journal,
    first: Outcome,
    logits: np.ndarray,
    resources: Resources,
    folder: Path,
) -> np.ndarray:
    """Write the model's ``folder`` from the first seed's weights, never those best on test.

    ``logits`` [N, K] are what its trial recorded for the test images. Returns what the packaged
    model computes of them. Raises OnnxMismatchError if that is something else.
    """
    description = Description(
        format=1,
        arch=cfg.model.arch,
        classes=resources.manifest.class_names,
        mean=cfg.model.mean,
        std=cfg.model.std,
        decoding=DecodingDescription(**asdict(Decoding.of(cfg.dataset))),
        resize=cfg.recipe.resize,
        resize_size=cfg.recipe.resize_size,
        image_size=cfg.recipe.image_size,
        dataset=cfg.dataset.name,
        title=cfg.dataset.title,
        point=cfg.point.model_dump(),
        data_digest=resources.environment.data_digest,
        key=first.key,
        versions=versions(),
    )
    with journal.artifact(first.run_id, MODEL) as weights:
        tested = Measured(images_of("test", cfg, resources), logits)
        return package(description, weights, tested, folder)


def images_of(split: Split, cfg: Config, resources: Resources) -> Iterator[np.ndarray]:
    """Yield the images of a split as the network receives them, uint8 [N, S, S, 3], in batches."""
    rows = resources.manifest.rows((split,))
    cropper = HostCropper(resources.store, cfg.recipe)
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

    ``objective`` is the one that chose it, on validation.
    """
    point = cfg.point.model_dump()
    name = f"vdtransfer-{cfg.project}-{cfg.dataset.name}"
    registry = Registry(journal, name)
    with alone(lock_file(f"model-{key_of(name)[:16]}"), f"registration of {name}"):
        version = registry.find(first.key)
        if version is None:
            images = as_input(next(images_of("val", cfg, resources))[:1])
            outputs = session(folder / ONNX).run(list(OUTPUTS), {INPUT: images})
            model_id = log_onnx(
                journal,
                first.run_id,
                folder / ONNX,
                {INPUT: images},
                dict(zip(OUTPUTS, outputs, strict=True)),
                [f"{each}=={metadata.version(each)}" for each in REQUIREMENTS],
                name=f"{cfg.dataset.name}-{cfg.model.name}",
                params=point,
            )
            version = registry.register(
                model_id,
                key=first.key,
                objective=objective,
                chosen_by=cfg.objective,
                data_digest=resources.environment.data_digest,
                description=f"{cfg.title}: {cfg.dataset.title}",
                run_id=first.run_id,
                tags={
                    "dataset": cfg.dataset.name,
                    "model": cfg.model.name,
                    **{name: str(value) for name, value in point.items()},
                },
            )
        champion = registry.settle(version)
    shown = f"{registry.name} version {version.number}"
    if champion.number == version.number:
        return f"{shown} is the champion"
    why = ""
    if champion.data_digest != version.data_digest:
        why = ", chosen on other data"
    elif champion.chosen_by != version.chosen_by:
        why = ", chosen by another objective"
    return f"{shown}; the champion is version {champion.number}{why}"
