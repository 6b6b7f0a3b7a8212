"""Propose the settings of a new project from its images and from a few timed training steps."""

import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil
import yaml

from pipeline.base.errors import UserError
from pipeline.base.files import write_text
from pipeline.base.text import count, duration
from pipeline.planning.estimates import expected_images, trials
from pipeline.planning.images import Images, survey
from pipeline.planning.input_size import usable_sides
from pipeline.planning.model_choice import AUTO, FULL_SIDE, PACKAGED, SMALL, Choice, choose, sides
from pipeline.projects.own_images import STRATEGIES, fetch_weights, parameters
from pipeline.settings.compose import compose
from pipeline.settings.folders import CONFIG_NAME
from pipeline.settings.schema import Config

SEARCHES = ("bayes", "random")
"""Strategies whose number of trials can be chosen to fit the given hours."""
_SMALL_NETWORKS = {
    "lr": 0.3,
    "space": {"lr": [1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001]},
}
"""Small networks need larger learning rates than ResNet50_vd (benchmarks/pretrained.py)."""
_BATCH, _LEAST_BATCH = 32, 4
"""Batch size of recipe quick20, and the smallest one at which batch norm still works."""
_SHORT_EPOCHS, _SHORT_CROPS = 12, [0.35, 1.0]
"""A training of at most this many epochs uses larger crops of each image. Crops down to 8 % suit
only longer trainings (benchmarks/README.md)."""
_STARTS = 6
"""What a project does after this process, apart from training, in times that this process took to
start. It is measured in docs/decisions/budget.md."""


@dataclass(frozen=True)
class Proposal:
    """The content of a new project's params.yaml, and (title, text) lines that explain it."""

    values: dict[str, Any]
    lines: list[tuple[str, str]]


def propose(
    images: Path,
    name: str,
    model: str | None = None,
    strategies: str | None = None,
    hours: float | None = None,
    dataset: Mapping[str, Any] = MappingProxyType({}),
) -> Proposal:
    """Propose a project's settings, with lines that explain them.

    ``model`` may be ``auto``; None means the same. If ``hours`` are given, the search is planned to
    fit them. ``dataset`` holds changes to the dataset's settings. Raises UserError when the images
    cannot be trained on or the hours are too few.
    """
    chosen = strategies or ",".join(STRATEGIES if hours is None else SEARCHES[:1])
    if hours is not None and chosen not in SEARCHES:
        raise UserError(
            f"--hours plans one search: found strategies {chosen}; allowed: {' or '.join(SEARCHES)}"
        )
    asked = None if model == AUTO else model
    draft = parameters(images, name, asked or PACKAGED, chosen)
    draft["dataset"] |= dataset
    cfg = _composed(draft)
    pictures = survey(cfg.dataset)
    from pipeline.training.devices import resolve_device, resolve_precision  # torch is slow

    device = resolve_device(cfg.machine.device)
    if asked:
        choice = Choice(asked, "as asked for")
    else:
        choice = choose(
            pictures.short_side, accelerator=device == "cuda", require_weights=fetch_weights
        )
    values = parameters(images, name, choice.model, chosen)
    values["dataset"] |= dataset
    if choice.model in (PACKAGED, SMALL):
        values |= {"lr": _SMALL_NETWORKS["lr"], "space": values["space"] | _SMALL_NETWORKS["space"]}
    sizes = sides(choice.model, pictures.short_side)
    if asked:
        sizes = usable_sides(cfg.model.arch, sizes)
    values["recipe"] = {} if sizes[0] == FULL_SIDE else {"image_size": sizes[0]}
    # The benchmark's bf16 is ten times as slow on many machines.
    values["machine"] = values["machine"] | {"precision": resolve_precision("auto", device)}
    if pictures.splits.train < 2 * _BATCH:  # at least two steps an epoch
        batch = 2 ** int(math.log2(pictures.splits.train / 2))
        values["recipe"] |= {"batch_size": max(_LEAST_BATCH, batch)}
    why = {"model": f"{choice.model}: {choice.reason}"}
    if hours is not None:
        why["search"] = _fitted(values, pictures, sizes, hours)
    values["planned"] = why
    return Proposal(values, [*pictures.lines(), *why.items()])


def time_needed(cfg: Config) -> str:
    """Describe what a project's search does and how long it takes, from a few timed steps."""
    from pipeline.planning.timing import measure, seconds_of  # torch takes seconds to import

    speed, counted = measure(cfg), trials(cfg)
    images = expected_images(cfg.dataset)
    trial, refit = seconds_of(speed, cfg.recipe, images, paddle=False)
    whole = counted.search * trial + counted.refits * refit
    return (
        f"up to {duration(whole)} here ({speed.device}, {1 / speed.train:.0f} images/s): "
        f"{' and '.join(cfg.strategies)}, up to {count(counted.search, 'trial')} of "
        f"{duration(trial)} and {count(counted.refits, 'refit')} of {duration(refit)}, "
        f"{cfg.recipe.epochs} epochs each at {cfg.recipe.image_size} px; --hours sets a limit"
    )


def _fitted(values: dict[str, Any], pictures: Images, sizes: Sequence[int], hours: float) -> str:
    """Plan a search that fits ``hours``, write it into ``values`` and return its description."""
    from pipeline.planning.budget import fit
    from pipeline.planning.timing import Speed, measure

    cfg = _composed(values)
    started, imported = psutil.Process().create_time(), time.time()

    def overhead() -> float:
        """Return the seconds spent so far plus those of all stages without their training."""
        return time.time() - started + _STARTS * (imported - started)

    speeds: dict[int, Speed] = {}
    stored = f"dataset.store_side={min(FULL_SIDE, pictures.short_side)}"

    def speed(side: int) -> Speed:
        settings = (f"recipe.image_size={side}", stored)
        speeds[side] = measure(_composed(values, *settings))
        if (speeds[side].device, speeds[side].precision) == ("cpu", "bf16"):
            # some networks are slower in bf16, even on a processor that supports it
            plain = measure(_composed(values, *settings, "machine.precision=float32"))
            speeds[side] = min(speeds[side], plain, key=lambda each: each.train)
        return speeds[side]

    pretrained = cfg.model.weights != "none"
    images = pictures.splits
    plan = fit(hours, overhead, sizes, cfg.recipe, images, speed, pretrained=pretrained)
    [strategy] = cfg.strategies
    values["recipe"] |= {"epochs": plan.epochs, "image_size": plan.side}
    if plan.epochs <= _SHORT_EPOCHS:
        values["recipe"] |= {"crop_scale": _SHORT_CROPS}
    values["search"] = values["search"] | {"max_hours": hours}
    values["evaluate"] = values["evaluate"] | {"seeds": list(range(plan.refits))}
    now = speeds[plan.side]
    if now.device == "cpu":
        values["machine"] = values["machine"] | {"precision": now.precision}
    return (
        f"{strategy}, about {count(plan.trials, 'trial')} of {duration(plan.trial)} and "
        f"{count(plan.refits, 'refit')} of {duration(plan.refit)}, {count(plan.epochs, 'epoch')} "
        f"each at {plan.side} px; in all {duration(plan.total)} of the "
        f"{hours:g} hours on this machine ({now.device}, {now.precision}, "
        f"{1 / now.train:.0f} images/s). More trials follow if there is time"
    )


def _composed(values: Mapping[str, Any], *overrides: str) -> Config:
    """Return the checked configuration of a params.yaml that is not written yet."""
    with tempfile.TemporaryDirectory() as folder:
        write_text(Path(folder) / f"{CONFIG_NAME}.yaml", yaml.safe_dump(values, allow_unicode=True))
        return compose(Path(folder), overrides)
