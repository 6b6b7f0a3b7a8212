"""Tune a model on your own images: make projects/NAME/ and run its pipeline to model and report.

    make tune DATA=PATH [NAME=...] [MODEL=...] [STRATEGIES=fixed,bayes]

PATH is whatever conf/dataset/folder.yaml takes. A project is params.yaml, which is yours to edit,
and dvc.yaml, written again each time. A second run trains only what has changed.
Run: python -m pipeline.project PATH [--name NAME] [--model MODEL] [--strategies NAME,...]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from pipeline.base.errors import UserError
from pipeline.base.files import write_text
from pipeline.base.text import printable
from pipeline.datasets.tree import irregular_below
from pipeline.models.sources import locate
from pipeline.projects.dvc_yaml import Pipeline
from pipeline.projects.own_images import (
    MODEL,
    PROJECTS,
    STRATEGIES,
    default_name,
    existing,
    parameters,
)
from pipeline.settings.command_line import guarded
from pipeline.settings.compose import CONFIG_NAME, compose
from pipeline.settings.folders import CONF, report_dir, weights_dir

_ROOT = CONF.parent

_PARAMS_HEADER = """\
# Your own images, {name}. This file is yours to edit: `make tune` never writes it again, and trains
# what a change touches. Plain values only: it is read by Hydra and by DVC alike.
"""
_DVC_HEADER = """
Written by `make tune`, anew each time; params.yaml is the file to edit.
Run: dvc repro {folder}/dvc.yaml
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.project",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__,
    )
    parser.add_argument("data", metavar="PATH", help="your images, or a table that lists them")
    parser.add_argument("--name", help="name of the project (default: the folder's)")
    parser.add_argument("--model", help=f"a file of conf/model (default: {MODEL})")
    parser.add_argument(
        "--strategies",
        metavar="NAME,...",
        help=f"names under conf/strategy, comma-separated (default: {','.join(STRATEGIES)})",
    )
    given = parser.parse_args()
    run(make(given.data, given.name, given.model, given.strategies))


def make(
    data: str, name: str | None = None, model: str | None = None, strategies: str | None = None
) -> Path:
    """Write ``projects/NAME/`` and return it; one that is there keeps its params.yaml.

    Raises UserError, with nothing written, when there are no images, a name is taken or unknown,
    the weights cannot be had, or an option differs from the project's own params.yaml.
    """
    images = existing(data)
    _require_digestible(images)
    name = _checked_name(name or default_name(images))
    folder = PROJECTS / name
    params = folder / f"{CONFIG_NAME}.yaml"
    if params.exists():
        _require_same(params, name, images, model, strategies)
    else:
        asked = parameters(images, name, model or MODEL, strategies or ",".join(STRATEGIES))
        _require_weights(model or MODEL)
        text = yaml.safe_dump(asked, sort_keys=False, allow_unicode=True)
        write_text(params, _PARAMS_HEADER.format(name=name) + text)
    header = _DVC_HEADER.format(folder=folder)
    pipeline = Pipeline(header, folder=folder.as_posix(), own_folders=True)
    write_text(
        folder / "dvc.yaml", pipeline.text(yaml.safe_load(params.read_text(encoding="utf-8")))
    )
    return folder


def run(folder: Path) -> None:
    """Run the project's pipeline and print its summary. Raises UserError when it stops early."""
    cfg = compose(folder)
    command = [sys.executable, "-m", "dvc", "repro", "--quiet", str(folder / "dvc.yaml")]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    if subprocess.run(command, env=os.environ | {"PATH": path}, check=False).returncode:
        raise UserError(
            f"{folder}: the stage above stopped. What is finished is kept: mend the cause and run "
            "the same command again"
        )
    print((report_dir(cfg) / "summary.txt").read_text(encoding="utf-8"), end="")
    for strategy in cfg.strategies:
        for model in cfg.models:
            print(f"model: {folder / 'results' / cfg.dataset.name / model / strategy / 'model'}")


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"\w[\w-]{0,99}", name):
        raise UserError(
            f"NAME={name}: allowed are letters, digits, _ and -, up to 100. Set NAME=..."
        )
    owners = {path.stem: path for path in (CONF / "dataset").glob("*.yaml")}
    for params in _ROOT.glob(f"*/{CONFIG_NAME}.yaml"):
        folders = (yaml.safe_load(params.read_text(encoding="utf-8")) or {}).get("folders", {})
        owners |= dict.fromkeys(folders, params)
    if name in owners:
        raise UserError(
            f"NAME={name} is the name of a dataset in {owners[name]}. Set another NAME=..."
        )
    return name


def _require_same(
    params: Path, name: str, images: Path, model: str | None, strategies: str | None
) -> None:
    """A project's own file counts: what is asked for otherwise must agree with it."""
    cfg = compose(params.parent)
    kept = cfg.folders.get(name)
    if kept != str(images):
        raise UserError(
            f"{params} has {name}: {kept}, not {images}. Edit it there, or set another NAME=..."
        )
    for option, asked, there in (
        ("MODEL", model, cfg.models),
        ("STRATEGIES", strategies, cfg.strategies),
    ):
        if asked is not None and asked.split(",") != there:
            raise UserError(
                f"{option}={asked}: {params} has {','.join(there)}. Edit it there, or set another "
                "NAME=..."
            )


def _require_digestible(images: Path) -> None:
    """Name what DVC, which digests every file of a folder, would stop or hang at without a word."""
    faults = list(irregular_below(images)) if images.is_dir() else []
    if faults:
        shown = "".join(f"\n  {printable(path)}: {reason}" for path, reason in faults[:10])
        more = f"\n  and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise UserError(
            f"{images}: DVC watches this folder and cannot read all of it:{shown}{more}\n"
            "Remove or mend these entries. `python -m pipeline.prepare dataset=folder "
            "dataset.root=PATH` reads the folder without DVC and names what it leaves out."
        )


def _require_weights(model: str) -> None:
    """Fetch the weights first: nothing is decoded or written for a model that cannot be had."""
    try:
        locate(compose(_ROOT, [f"model={model}"]).model, weights_dir())
    except UserError as error:
        raise UserError(
            f"{error}\nor set MODEL=resnet50_vd_random: it needs no weights, at a cost in accuracy"
        ) from error


if __name__ == "__main__":
    guarded(main)
