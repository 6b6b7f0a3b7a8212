"""A copy of this project whose one dataset is a miniature served on loopback."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.support.miniatures import Miniature
from tests.support.stages import BENCHMARK, copy_project, environment

RECIPE = {
    "name": "miniature",
    "epochs": 1,
    "batch_size": 16,
    "image_size": 32,
    "resize_size": 32,
}


class MiniatureProject:
    """The benchmark of ``miniature`` alone: a small network from a random start, a fixed point."""

    def __init__(self, folder: Path, miniature: Miniature, url: str) -> None:
        self.folder = folder
        self.dataset = miniature.dataset
        copy_project(folder, *BENCHMARK)
        dataset = miniature.config(url).model_dump(mode="json")
        self._write(f"conf/dataset/{self.dataset}.yaml", dataset)
        self._write("conf/recipe/miniature.yaml", RECIPE)
        params = yaml.safe_load((folder / "params.yaml").read_text())
        params["model"] = {"arch": "test_resnet"}
        choices = {
            "dataset": self.dataset,
            "model": "resnet50_vd_random",
            "recipe": "miniature",
        }
        for default in params["defaults"]:
            if isinstance(default, dict):
                default.update({k: v for k, v in choices.items() if k in default})
        params |= {
            "datasets": [self.dataset],
            "models": ["resnet50_vd_random"],
            "strategies": ["fixed"],
            "evaluate": {"seeds": [0]},
        }
        params["machine"] = (params.get("machine") or {}) | {"threads": 1, "device": "cpu"}
        self._write("params.yaml", params)
        self.run("dvc", "init", "--no-scm", "--quiet")

    @property
    def cell(self) -> Path:
        return self.folder / "results" / self.dataset / "resnet50_vd_random" / "fixed"

    def run(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m module`` in the project; raises AssertionError when it fails."""
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=self.folder,
            env=environment(self.folder),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{module} {arguments}\n{done.stdout}\n{done.stderr}"
        return done

    def _write(self, name: str, content: dict[str, Any]) -> None:
        (self.folder / name).write_text(yaml.safe_dump(content, sort_keys=False))
