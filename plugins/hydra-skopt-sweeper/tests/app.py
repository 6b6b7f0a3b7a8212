"""The app that the tests sweep in a process of its own.

The job DIE_IN ends its own process by DIE_BY, as a machine or a person would.
"""

import math
import os
import signal

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path=".", config_name="app")
def main(cfg: DictConfig) -> float:
    """Best at lr=0.01, decay=0.0001, mixup=true."""
    if str(HydraConfig.get().job.num) == os.environ.get("DIE_IN"):
        os.kill(os.getpid(), signal.Signals[os.environ["DIE_BY"]])
    near = (math.log10(cfg.lr) + 2) ** 2 + (math.log10(cfg.decay) + 4) ** 2
    return 0.9 - 0.02 * near + 0.01 * cfg.mixup


if __name__ == "__main__":
    # A shell has what it starts in the background, and all below, ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
