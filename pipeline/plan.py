"""Say what a pipeline will download, keep, train and take, before anything runs.

    python -m pipeline.plan                   the benchmark
    python -m pipeline.plan quickstart        the pipeline of a folder with a params.yaml
    python -m pipeline.plan PATH              your own images, as `make tune DATA=PATH` would
    python -m pipeline.plan dataset=dtd       one dataset; model= and strategy= likewise

Times come from a few training steps taken now, so a busy machine makes them long.
"""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml
from tabulate import tabulate

from pipeline.base.errors import UserError
from pipeline.base.files import write_text
from pipeline.base.text import count, duration
from pipeline.planning.estimates import Need, need, trials
from pipeline.planning.input_size import require_network
from pipeline.projects.own_images import default_name, existing
from pipeline.projects.proposal import propose
from pipeline.settings.command_line import guarded, parser
from pipeline.settings.compose import compose
from pipeline.settings.folders import CONFIG_NAME, weights_dir
from pipeline.settings.schema import Config

GB = 1e9
_LISTS = {"dataset": "datasets", "model": "models", "strategy": "strategies"}
"""By configuration group: the list in params.yaml that a name for this group replaces."""


def main() -> None:
    arguments = parser(__doc__ or "", "PATH|KEY=VALUE").parse_args()
    words = [each for each in arguments.overrides if "=" not in each or Path(each).exists()]
    overrides = [each for each in arguments.overrides if each not in words]
    if len(words) > 1:
        raise UserError(f"one folder at a time, found {', '.join(words)}")
    folder = Path(words[0]) if words else arguments.config_path
    if words and not (folder / f"{CONFIG_NAME}.yaml").is_file():
        with tempfile.TemporaryDirectory() as temporary:
            plan(_own_images(words[0], Path(temporary)), overrides)
    else:
        plan(folder, overrides)


def _own_images(data: str, folder: Path) -> Path:
    """Write the params.yaml that `make tune` would make for ``data``; return its folder."""
    images = existing(data)
    proposal = propose(images, default_name(images))
    for title, text in proposal.lines:
        print(f"{title:9} {text}", flush=True)
    write_text(folder / f"{CONFIG_NAME}.yaml", yaml.safe_dump(proposal.values, allow_unicode=True))
    return folder


def plan(config_dir: Path, overrides: Sequence[str]) -> None:
    """Print what a pipeline will download, store and train. Raises UserError for bad input."""
    cfg, *_ = configs = _configs(config_dir, overrides, "dataset")
    print(
        f"{cfg.title}: datasets {len(configs)} x models {len(cfg.models)} x "
        f"strategies {len(cfg.strategies)}, recipe {cfg.recipe.name}, protocol {cfg.protocol.name}",
        flush=True,
    )
    needs = {each.dataset.name: need(each.dataset) for each in configs}
    _print_data(needs, {each.dataset.name: each.dataset.licence for each in configs})
    by_model = _configs(config_dir, overrides, "model")
    _print_weights(by_model)
    _print_trials(cfg, len(needs))
    warnings = _disk_warnings(needs)
    print("timing a few training steps ...", flush=True)
    warnings += _print_times(by_model, needs)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)


def _configs(config_dir: Path, overrides: Sequence[str], group: str) -> list[Config]:
    """Return a configuration for each name of ``group``, or only for the overridden one."""
    given = {each.partition("=")[0] for each in overrides} & set(_LISTS)
    cfg = compose(config_dir, overrides, require_network)
    named = {_LISTS[each]: [getattr(cfg, each).name] for each in given}
    names = [] if group in given else getattr(cfg, _LISTS[group])
    configs = [compose(config_dir, [*overrides, f"{group}={name}"]) for name in names] or [cfg]
    return [each.model_copy(update=named) for each in configs]


def _print_data(needs: dict[str, Need], licences: dict[str, str]) -> None:
    headers = ("dataset", "train", "val", "test", "to download", "to keep", "licence")
    rows = []
    for name, each in needs.items():
        images = (each.images.train, each.images.val, each.images.test)
        fetched = _download(each.download, each.unstated)
        kept = "prepared" if each.exact else f"{each.store / GB:.2f} GB"
        rows.append([name, *(f"{n:,}" for n in images), fetched, kept, licences[name] or "-"])
    sides = ("left", *["right"] * 5, "left")
    print(tabulate(rows, headers, "plain", colalign=sides, disable_numparse=True))
    total = sum(e.images.train + e.images.val + e.images.test for e in needs.values())
    fetched = _download(
        sum(e.download for e in needs.values()), sum(e.unstated for e in needs.values())
    )
    print(f"{total:,} images; to download: {fetched}; disk: {_disk(needs) / GB:.2f} GB", end=" ")
    print(f"of {shutil.disk_usage(Path()).free / GB:.2f} GB free", flush=True)


def _download(size: int, unstated: int) -> str:
    stated = f"{size / GB:.2f} GB" if size or not unstated else ""
    files = f"{count(unstated, 'file')} unstated" if unstated else ""
    return " + ".join(part for part in (stated, files) if part)


def _disk(needs: dict[str, Need]) -> int:
    """Return the bytes of all archives and pixels, and of the largest unpacked dataset."""
    kept = sum(each.download + each.store for each in needs.values())
    return kept + max((each.scratch for each in needs.values()), default=0)


def _print_weights(configs: Sequence[Config]) -> None:
    for cfg in configs:
        model, source = cfg.model, cfg.model.weights
        about = [model.note] if model.note else []
        if model.imagenet_top1:
            about.append(f"top-1 {100 * model.imagenet_top1:.2f} % on ImageNet")
        if source.startswith(("http://", "https://", "hf-hub:")):
            name = source.rpartition("/")[2]
            there = any(name in path.parts for path in weights_dir().rglob("*"))
            about.append("here" if there else f"to download, size unstated: {source}")
        print(f"weights of {model.name}: {'; '.join(about) or source}")


def _print_trials(cfg: Config, datasets: int) -> None:
    counted = trials(cfg)
    places = datasets * len(cfg.models)
    each = ", ".join(f"{name} {count}" for name, count in counted.by_strategy.items())
    print(
        f"trials of a dataset and model: {each}; {counted.search} to train, as they share, "
        f"and up to {counted.refits} refits"
    )
    print(
        f"in all: {places * counted.search:,} trials and up to {places * counted.refits:,} refits"
    )


def _disk_warnings(needs: dict[str, Need]) -> list[str]:
    needed, free = _disk(needs), shutil.disk_usage(Path()).free
    if needed <= free:
        return []
    return [f"the disk will not do: {needed / GB:.2f} GB needed, {free / GB:.2f} GB free"]


def _print_times(configs: Sequence[Config], needs: dict[str, Need]) -> list[str]:
    from pipeline.planning.timing import (  # torch, after all that needs none
        Speed,
        measure,
        seconds_of,
    )

    warnings: list[str] = []
    speeds: dict[str, Speed] = {}
    total = 0.0
    for cfg in configs:
        recipe, counted = cfg.recipe, trials(cfg)
        if cfg.model.arch not in speeds:
            speed = speeds[cfg.model.arch] = measure(cfg)
            print(
                f"{cfg.model.arch} at {recipe.image_size} px on {speed.device}, "
                f"{speed.precision}, {speed.threads} threads: {1 / speed.train:.1f} images/s "
                f"trained, {1 / speed.evaluate:.1f} measured; {speed.memory / GB:.1f} GB a step"
            )
            if speed.compiling:
                print(f"{cfg.model.arch}: {speed.compiling}")
            if speed.memory > speed.free:
                warnings.append(
                    f"memory will not do: a step of {recipe.micro_batch or recipe.batch_size} "
                    f"images takes about {speed.memory / GB:.1f} GB, {speed.free / GB:.1f} GB are "
                    "free. Set recipe.micro_batch, which is part of a trial's key"
                )
        for name, each in needs.items():
            trial, refit = seconds_of(
                speeds[cfg.model.arch], recipe, each.images, paddle=cfg.protocol.name == "paddle"
            )
            whole = counted.search * trial + counted.refits * refit
            total += whole
            print(
                f"{name}, {cfg.model.name}: {duration(trial)} a trial, "
                f"{duration(refit)} a refit, up to {duration(whole)}"
            )
    print(f"time on this machine, one trial after another: up to {duration(total)}")
    return warnings


if __name__ == "__main__":
    guarded(main)
