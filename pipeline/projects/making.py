"""Make a project for a person's own images, and run its pipeline."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import yaml

from pipeline.base.errors import UserError
from pipeline.base.files import write_text
from pipeline.base.templates import rendered
from pipeline.base.text import printable
from pipeline.datasets.tree import irregular_below
from pipeline.planning.images import survey
from pipeline.planning.input_size import require_network
from pipeline.planning.model_choice import AUTO
from pipeline.projects import own_images
from pipeline.projects.changes import changes
from pipeline.projects.dvc_yaml import Pipeline
from pipeline.projects.options import dataset_settings, require_hours
from pipeline.projects.proposal import propose, time_needed
from pipeline.projects.spelling import Spelling, as_option
from pipeline.settings.compose import compose
from pipeline.settings.folders import (
    CONF,
    CONFIG_NAME,
    INSTALLED,
    PROGRAM,
    SHARE,
    prepared_dir,
    report_dir,
)
from pipeline.settings.machine import STARTED
from pipeline.settings.plain_yaml import misread, read_mapping
from pipeline.settings.schema import Config

_HEADER = """
`{command}` writes this file at every start. Edit params.yaml instead.
Run: dvc repro {path}
"""


def make(
    data: str,
    name: str | None = None,
    model: str | None = None,
    strategies: str | None = None,
    hours: float | None = None,
    settings: Sequence[str] = (),
    *,
    spell: Spelling = as_option,
) -> Path:
    """Write a project's files and return its folder; an existing params.yaml is kept.

    Prints what the project will do. ``settings`` are ``dataset.KEY=VALUE`` texts, allowed only for
    a new project. In a checkout the folder is ``projects/NAME/``, otherwise the working directory.
    Raises UserError and writes nothing when the images cannot be trained on, the project's name
    cannot be used, a model or strategy is unknown, the weights cannot be fetched, the hours are too
    few, or an option differs from the existing params.yaml. ``spell`` writes an option as the user
    types it.
    """
    images = own_images.existing(data)
    _require_digestible(images)
    name = _checked_name(name or _own_name() or own_images.default_name(images), spell)
    folder = own_images.project_folder(name)
    if images.is_dir() and folder.resolve().is_relative_to(images.resolve()):
        raise UserError(
            f"{printable(images)}: the project would lie among the images. Start the command in "
            "another folder"
        )
    params = folder / f"{CONFIG_NAME}.yaml"
    if params.exists():
        cfg = compose(folder, (), require_network)
        options = {
            "model": None if model == AUTO else model,
            "strategies": strategies,
            "hours": None if hours is None else f"{hours:g}",
        }
        _require_same(cfg, params, {name: str(images)}, options, spell)
        if settings:
            raise UserError(f"found {settings[0]}, but this project exists: edit {params}")
        pictures = survey(cfg.dataset)
        lines = pictures.lines()
        changed = changes(pictures, images, folder, prepared_dir(name))
    else:
        require_hours(hours)
        if model not in (None, AUTO):
            _require_weights(str(model), spell)
        proposal = propose(images, name, model, strategies, hours, dataset_settings(settings))
        lines, changed = proposal.lines, None
        write_text(params, _commented(proposal.values, name))
    path = folder / "dvc.yaml"
    command = "vdtransfer tune" if INSTALLED else "make tune"
    pipeline = Pipeline(
        _HEADER.format(command=command, path=path),
        folder=folder.as_posix(),
        own_folders=True,
        metrics=INSTALLED,
        installed=INSTALLED,
    )
    write_text(path, pipeline.text(yaml.safe_load(params.read_text(encoding="utf-8"))))
    for title, text in [*lines, ("settings", str(params))]:
        print(f"{title:9} {text}", flush=True)
    if changed:
        print(f"warning: {changed}", file=sys.stderr)
    return folder


def _commented(values: dict[str, Any], name: str) -> str:
    """Return the text of a params.yaml, with a comment above each key that people change."""
    dump = partial(yaml.safe_dump, sort_keys=False, allow_unicode=True)
    return rendered("pipeline.projects", "params.yaml.jinja", values=values, name=name, yaml=dump)


def print_time(cfg: Config) -> None:
    """Print how long a project takes here, unless its images are prepared or it has a limit."""
    if cfg.search.max_hours is None and not prepared_dir(cfg.dataset.name).exists():
        print(f"{'time':9} {time_needed(cfg)}", flush=True)


def run(folder: Path) -> None:
    """Run the project's pipeline and print its summary.

    Creates a DVC repository if there is none, with Git if the folder is a Git repository. Raises
    UserError when a stage fails.
    """
    cfg = compose(folder)
    print_time(cfg)
    _require_repository()
    if _dvc("repro", str(folder / "dvc.yaml")):
        raise UserError(
            f"{folder}: the stage above failed. Finished work is kept: fix the cause and run "
            "the same command again"
        )
    print((report_dir(cfg) / "summary.txt").read_text(encoding="utf-8"), end="")


def _require_repository() -> None:
    if any(
        (folder / ".dvc").is_dir() for folder in (Path().absolute(), *Path().absolute().parents)
    ):
        return
    if Path(".git").exists():
        created = _dvc("init")
    else:
        created = _dvc("init", "--no-scm")
        print("made a DVC repository without Git; `dvc exp` needs Git (`git init`, `dvc init -f`)")
    if created:
        raise UserError("DVC cannot make a repository in this folder; its message is above")


def _dvc(*words: str) -> int:
    """Run DVC so that its stages use this environment's commands; return its exit code.

    On Ctrl-C, which reaches DVC and its stage too, wait until they have closed their files.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = [sys.executable, "-P", "-m", "pipeline.projects.quiet_dvc", *words]
    started = {STARTED: str(psutil.Process().create_time())}
    environment = os.environ | {"PATH": path} | started
    with subprocess.Popen(command, env=environment) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()
            raise


def _own_name() -> str | None:
    """Return the name of the installed program's project in the working directory, if any."""
    params = own_images.project_folder("") / f"{CONFIG_NAME}.yaml"
    if not INSTALLED or not params.exists():
        return None
    name = read_mapping(params).get("project")
    return name if isinstance(name, str) else None


def _checked_name(name: str, spell: Spelling) -> str:
    """Return ``name``; raise UserError if a project may not have this name."""
    if not re.fullmatch(r"\w[\w-]{0,99}", name):
        raise UserError(
            f"the project's name would be '{name}'; allowed are letters, digits, _ and -, up to "
            f"100. Choose one with {spell('name', 'NAME')}"
        )
    number = misread(name)
    if number is not None:
        raise UserError(
            f"the project's name would be '{name}', which DVC or Hydra reads as the number "
            f"{number:g}. Choose one that begins with a letter, with {spell('name', 'NAME')}"
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
                f"'{name}' is the name of a {kind} in {taken[name]}. Choose another for the "
                f"project with {spell('name', 'NAME')}"
            )
    return name


def _require_same(
    cfg: Config,
    params: Path,
    folders: Mapping[str, str],
    options: Mapping[str, str | None],
    spell: Spelling,
) -> None:
    """Raise UserError if the images or options differ from the project's existing params.yaml."""
    another = "work in another folder" if INSTALLED else f"give {spell('name', 'NAME')}"
    advice = f"Edit it there; for another project {another}"
    for name, images in folders.items():
        if (own := cfg.folders.get(name)) != images:
            raise UserError(f"{params} has {name}: {own}, not {images}. {advice}")
    limit = cfg.search.max_hours
    kept = {
        "model": ("models", ",".join(cfg.models)),
        "strategies": ("strategies", ",".join(cfg.strategies)),
        "hours": ("search.max_hours", "null" if limit is None else f"{limit:g}"),
    }
    for option, asked in options.items():
        key, value = kept[option]
        if asked not in (None, value):
            raise UserError(f"{spell(option, asked)}: {params} has {key}: {value}. {advice}")


def _require_digestible(images: Path) -> None:
    """Raise UserError for entries that would stop or hang DVC, which reads every file."""
    faults = list(irregular_below(images)) if images.is_dir() else []
    if faults:
        shown = "".join(f"\n  {printable(path)}: {reason}" for path, reason in faults[:10])
        more = f"\n  and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise UserError(
            f"{images}: DVC watches this folder and cannot read all of it:{shown}{more}\n"
            f"Remove or repair these entries. `{PROGRAM} prepare dataset=folder "
            "dataset.root=PATH` reads the folder without DVC and names what it leaves out."
        )


def _require_weights(model: str, spell: Spelling) -> None:
    """Fetch the weights before anything is written; raise UserError if that fails."""
    try:
        own_images.fetch_weights(model)
    except UserError as error:
        raise UserError(
            f"{error}\nor give {spell('model', 'resnet50_vd_random')}: it needs no weights, at a "
            "cost in accuracy"
        ) from error
