"""Square numbers, each in a Ray task of its own.

Run: python -m hydra_ray_tasks_example.squares --multirun x=1,2,3
"""

import logging
import os

import hydra
from omegaconf import DictConfig

log = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path=".", config_name="squares")
def main(cfg: DictConfig) -> float:
    """The square of x."""
    log.info("%s squared is %s, in process %d", cfg.x, cfg.x**2, os.getpid())
    return float(cfg.x**2)


if __name__ == "__main__":
    main()
