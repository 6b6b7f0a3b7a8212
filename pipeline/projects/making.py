"""Make a project for a person's own images, and run its pipeline."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from pipeline import __version__
from pipeline.base.errors import UserError
from pipeline.base.files import write_text
from pipeline.base.text import printable
from pipeline.datasets.tree import irregular_below
from pipeline.models.sources import locate
from pipeline.projects.dvc_yaml import Pipeline
from pipeline.projects.own_images import (
    MODEL,
    STRATEGIES,
    default_name,
    existing,
    parameters,
    project_folder,
)
from pipeline.settings.compose import compose
from pipeline.settings.folders import CONF, CONFIG_NAME, INSTALLED, SHARE, report_dir, weights_dir
from pipeline.settings.plain_yaml import misread, read_mapping

VERSION_FILE = "vdtransfer.version"
"""Name of the file that records the version with which an installed program ran a project."""

_PARAMS_HEADER = """\
Your own images, {name}. This file is yours to edit: it is never written again, and the next run
trains what a change touches. Plain values only: it is read by Hydra and by DVC alike.
"""
_COMMENTS = {
    "defaults": "The recipe says how a network is trained: quick20 has 20 epochs at 224 px.",
    "folders": "Your images by the name of the project.",
    "models": "Networks and weights by name; resnet50_vd_random needs no download.",
    "strategies": "How hyperparameters are chosen: fixed, bayes, random or grid (every point).",
    "dataset": "Shares of the images held out where they come without splits of their own.",
    "lr": "The fixed scheme, where a search starts, too. Learning rates are per 256 images.",
    "seed": "Of splits, starts and searches.",
    "model": "Changes to the chosen model and recipe, such as recipe: {epochs: 5, batch_size: 16}.",
    "space": "The values a search may choose from.",
    "search": "What each strategy may spend. DVC watches each one's part alone.",
    "tune": "How many trials may fail, and how many seconds a trial may take (null: any).",
    "evaluate": "Refits of the chosen point; their spread is the interval of the report.",
    "machine": "auto and 0 take what the machine has.",
}
_HEADER = """
Written by `{command}`, anew each time; params.yaml is the file to edit.
Run: dvc repro {path}
"""


def arguments(doc: str) -> argparse.ArgumentParser:
    """Return a parser for the arguments that define a project; ``doc`` describes the command."""
    parser = argparse.ArgumentParser(
        formatter_class=argparse.RawDescriptionHelpFormatter, description=doc
    )
    parser.add_argument("data", metavar="PATH", help="your images, or a table that lists them")
    parser.add_argument("--name", help="name of the project (default: the folder's)")
    parser.add_argument("--model", help=f"a file of conf/model (default: {MODEL})")
    parser.add_argument(
        "--strategies",
        metavar="NAME,...",
        help=f"names under conf/strategy, comma-separated (default: {','.join(STRATEGIES)})",
    )
    return parser


def make(
    data: str, name: str | None = None, model: str | None = None, strategies: str | None = None
) -> Path:
    """Write a project's files and return its folder; an existing params.yaml is kept.

    In a checkout the folder is ``projects/NAME/``, else the working directory. Raises UserError,
    with nothing written, when there are no images, a name is taken or unknown, the weights cannot
    be fetched, or an option differs from the project's own params.yaml.
    """
    images = existing(data)
    _require_digestible(images)
    name = _checked_name(name or default_name(images))
    folder = project_folder(name)
    params = folder / f"{CONFIG_NAME}.yaml"
    if params.exists():
        _require_same(params, name, images, model, strategies)
    else:
        asked = parameters(images, name, model or MODEL, strategies or ",".join(STRATEGIES))
        _require_weights(model or MODEL)
        write_text(params, _commented(asked, name))
    if INSTALLED:
        write_text(folder / VERSION_FILE, f"{__version__}\n")
    path = folder / "dvc.yaml"
    command = "vdtransfer tune" if INSTALLED else "make tune"
    pipeline = Pipeline(
        _HEADER.format(command=command, path=path),
        folder=folder.as_posix(),
        own_folders=True,
        metrics=INSTALLED,
        version_file=VERSION_FILE if INSTALLED else None,
    )
    write_text(path, pipeline.text(yaml.safe_load(params.read_text(encoding="utf-8"))))
    return folder


def _commented(values: dict[str, Any], name: str) -> str:
    """Return a params.yaml with a comment above what people change."""
    lines = [f"# {line}\n" for line in _PARAMS_HEADER.format(name=name).splitlines()]
    for key, value in values.items():
        if key in _COMMENTS:
            lines.append(f"\n# {_COMMENTS[key]}\n")
        lines.append(yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True))
    return "".join(lines)


def run(folder: Path) -> None:
    """Run the project's pipeline and print its summary. Raises UserError when it stops early.

    If there is no DVC repository yet, one is made: in the Git repository, or without Git.
    """
    cfg = compose(folder)
    _require_repository()
    if _dvc("repro", "--quiet", str(folder / "dvc.yaml")):
        raise UserError(
            f"{folder}: the stage above stopped. What is finished is kept: mend the cause and run "
            "the same command again"
        )
    print((report_dir(cfg) / "summary.txt").read_text(encoding="utf-8"), end="")
    for strategy in cfg.strategies:
        for model in cfg.models:
            print(f"model: {folder / 'results' / cfg.dataset.name / model / strategy / 'model'}")


def _require_repository() -> None:
    if any(
        (folder / ".dvc").is_dir() for folder in (Path().absolute(), *Path().absolute().parents)
    ):
        return
    if Path(".git").exists():
        created = _dvc("init", "--quiet")
    else:
        created = _dvc("init", "--quiet", "--no-scm")
        print("made a DVC repository without Git; `dvc exp` needs Git (`git init`, `dvc init -f`)")
    if created:
        raise UserError("DVC cannot make a repository in this folder; its message is above")


def _dvc(*words: str) -> int:
    """Run DVC so that its stages use this environment's commands; return its exit code."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = [sys.executable, "-P", "-m", "dvc", *words]
    return subprocess.run(command, env=os.environ | {"PATH": path}, check=False).returncode


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"\w[\w-]{0,99}", name):
        raise UserError(
            f"NAME={name}: allowed are letters, digits, _ and -, up to 100. Set NAME=..."
        )
    number = misread(name)
    if number is not None:
        raise UserError(
            f"NAME={name}: found text that DVC or Hydra reads as the number {number:g}. Set "
            "NAME=... to one that begins with a letter"
        )
    owners = {path.stem: path for path in (CONF / "dataset").glob("*.yaml")}
    projects = {}
    for params in (SHARE / f"{CONFIG_NAME}.yaml", *SHARE.glob(f"*/{CONFIG_NAME}.yaml")):
        values = read_mapping(params)
        owners |= dict.fromkeys(values.get("folders", {}), params)
        projects[values.get("project")] = params
    for taken, kind in ((owners, "dataset"), (projects, "project")):
        if name in taken:
            raise UserError(
                f"NAME={name} is the name of a {kind} in {taken[name]}. Set another NAME=..."
            )
    return name


def _require_same(
    params: Path, name: str, images: Path, model: str | None, strategies: str | None
) -> None:
    """Raise UserError if the options differ from the project's existing params.yaml."""
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
    """Raise UserError for entries at which DVC, which reads every file, would stop or hang."""
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
    """Fetch the weights first, so that nothing is written if they cannot be fetched."""
    try:
        locate(compose(SHARE, [f"model={model}"]).model, weights_dir())
    except UserError as error:
        raise UserError(
            f"{error}\nor set MODEL=resnet50_vd_random: it needs no weights, at a cost in accuracy"
        ) from error
