"""What the trials of one process work on: prepared data, weights and the machine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pipeline.datasets.manifest import MANIFEST, Manifest
from pipeline.datasets.pixels import PixelStore
from pipeline.models.weights import WeightsFile, locate
from pipeline.settings.folders import prepared_dir, weights_dir
from pipeline.settings.machine import threads_alone
from pipeline.settings.schema import Config
from pipeline.training.trial import resolve_device, resolve_precision
from pipeline.trials.identity import Environment
from pipeline.trials.simulated import table_digest


@dataclass(frozen=True)
class Resources:
    """Data, weights and machine of the trials of one process, found once."""

    manifest: Manifest
    store: PixelStore
    weights: WeightsFile | None
    environment: Environment


def find_resources(cfg: Config) -> Resources:
    """Find what a trial of ``cfg`` works on. Raises UserError when data or weights are missing."""
    folder = prepared_dir(cfg.dataset.name)
    written = folder / MANIFEST
    manifest = _manifest(folder, written.stat().st_mtime_ns if written.exists() else 0)
    weights = locate(cfg.model, weights_dir())
    device = resolve_device(cfg.machine.device)
    environment = Environment(
        data_digest=manifest.digest,
        weights_digest=weights.sha256 if weights else "none",
        precision=resolve_precision(cfg.machine.precision, device),
        device=device,
        threads=cfg.machine.threads or threads_alone(),
        simulated=table_digest(cfg),
    )
    return Resources(manifest, PixelStore(folder / "pixels.bin", manifest), weights, environment)


@lru_cache(maxsize=2)
def _manifest(folder: Path, _written: int) -> Manifest:
    return Manifest.load(folder)
