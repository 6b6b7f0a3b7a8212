"""Choose the parameters of a project that tunes a model on a person's own images."""

import os
import re
from pathlib import Path
from typing import Any

import yaml

from pipeline.base.errors import UserError
from pipeline.base.text import among
from pipeline.models.sources import locate
from pipeline.settings.compose import compose
from pipeline.settings.folders import CONFIG_NAME, INSTALLED, SHARE, weights_dir
from pipeline.settings.guard import names_in

PROJECTS = Path("projects")
STRATEGIES = ("fixed", "bayes")
_CHOICES = {"dataset": "folder", "recipe": "quick20"}


def parameters(images: Path, name: str, model: str, strategies: str) -> dict[str, Any]:
    """Adapt the benchmark's params.yaml to one folder, recipe ``quick20`` and its learning rate.

    Raises UserError for a model or strategy that has no file under ``conf/``.
    """
    chosen = strategies.split(",")
    for group, names in (("model", [model]), ("strategy", chosen)):
        for each in names:
            _require_known(group, each)
    params: dict[str, Any] = yaml.safe_load((SHARE / f"{CONFIG_NAME}.yaml").read_text())
    for entry in params["defaults"]:
        if isinstance(entry, dict):
            entry.update({k: v for k, v in (_CHOICES | {"model": model}).items() if k in entry})
    changed = {
        "project": name,
        "root": str(project_folder(name)),
        "title": name,
        "folders": {name: str(images)},
        "datasets": [name],
        "models": [model],
        "strategies": chosen,
        "dataset": {"val_fraction": 0.2, "test_fraction": 0.2, "split_seed": 0},
        "lr": 0.03,  # PaddleClas's quick start: 0.00375 at batch 32
    }
    order = ["defaults", *changed]
    return {key: (params | changed)[key] for key in dict.fromkeys([*order, *params])}


def fetch_weights(model: str) -> None:
    """Fetch the weights of a model of ``conf/model``. Raises UserError if they cannot be had."""
    locate(compose(SHARE, [f"model={model}"]).model, weights_dir())


def project_folder(name: str) -> Path:
    """Return the folder of a project: the current one for an installed program, else a new one."""
    return Path() if INSTALLED else PROJECTS / name


def default_name(images: Path) -> str:
    """Derive a project's name from that of its images: letters of any script, digits, _ and -."""
    stem = images.stem if images.is_file() else images.name
    return re.sub(r"[^\w-]+", "_", stem).strip("_-")


def existing(data: str) -> Path:
    """Return the absolute path of a folder or table, with its symbolic links kept.

    Raises UserError when it does not exist or has characters that a parameter cannot hold.
    """
    path = Path(os.path.abspath(Path(data).expanduser()))  # noqa: PTH100 - resolve() follows links
    if not path.exists():
        raise UserError(f"{data}: no such folder or table")
    if "${" in str(path) or "\n" in str(path):
        raise UserError(f"{data}: a path may not hold '${{' or a line break; give a link to it")
    return path


def _require_known(group: str, name: str) -> None:
    if name not in (allowed := names_in(group)):
        raise UserError(f"no {group} '{name}'.{among(name, allowed)}")
