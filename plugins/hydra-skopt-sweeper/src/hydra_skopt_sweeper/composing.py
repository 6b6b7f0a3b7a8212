"""Compose the configuration of each job once, where its launcher runs in the sweeper's process."""

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig


class ComposedOnce:
    """A config loader that hands on what was composed to check a batch.

    Composing takes much longer than any other step of a job. The sweeper composes a batch to find
    mistakes before its first job runs; a launcher then asks for the same configurations again.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._composed: dict[tuple[str, ...], DictConfig] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_loader":  # asked for while this is unpickled
            raise AttributeError(name)
        return getattr(self._loader, name)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the configurations out of what a launcher sends to other processes."""
        return {"_loader": self._loader, "_composed": {}}

    def check(self, config: DictConfig, batch: Sequence[Sequence[str]]) -> None:
        """Compose the jobs of a batch, and forget those of the batch before."""
        self._composed = {}
        self._composed = {
            tuple(overrides): self._loader.load_sweep_config(config, list(overrides))
            for overrides in batch
        }

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: Sequence[str]
    ) -> DictConfig:
        """Return the configuration of a job, which is the caller's own to change."""
        known = self._composed.pop(tuple(sweep_overrides), None)
        if known is not None:
            return known
        composed: DictConfig = self._loader.load_sweep_config(master_config, list(sweep_overrides))
        return composed
