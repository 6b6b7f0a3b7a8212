"""The app that the tests sweep: what a job sees of the process that launched it."""

import os
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path=None)
def main(cfg: DictConfig) -> int:
    if cfg.x == 2:
        raise ValueError("no two")
    facts = [os.environ.get("CARRIED"), os.environ.get("LEFT"), str(Path.cwd()), str(os.getpid())]
    folder = Path(HydraConfig.get().runtime.output_dir)
    (folder / "facts.txt").write_text("\n".join(map(str, facts)))
    return int(cfg.x)


if __name__ == "__main__":
    main()
