"""Write dvc.yaml: the same six stages for the committed pipelines and for every project.

A stage lists the code that can change its output, by folder. download and prepare take long and
have no journal to replay from, so they list single files of folders that they use only in part.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pipeline.projects.yaml_text import Inline, Row, dump
from pipeline.settings.folders import CONFIG_NAME
from pipeline.settings.point import HYPERPARAMETERS

COMMAND = "python -m pipeline.projects.committed"
"""The command that writes the committed files again."""
VERSION_FILE = "vdtransfer.version"
"""The file that stands for the code and conf/ where the program is installed: its version."""

_CELL = "${item.dataset}/${item.model}/${item.strategy}"
_CHOSEN = "dataset=${item.dataset} model=${item.model} strategy=${item.strategy}"
_PLACE = "${item.dataset}/${item.model}"
_EVERY_PLACE = {"dataset": "${datasets}", "model": "${models}"}
_EVERY_CELL = {"dataset": "${datasets}", "model": "${models}", "strategy": "${strategies}"}
_SEARCHER = "plugins/hydra-skopt-sweeper/src"

_VALUES = ("base/files.py", "settings/compose.py", "settings/dataset.py")
"""Modules that handle every value and every file of download and prepare."""
_TRIAL = ("base", "settings", "datasets", "models", "training", "trials")
CODE: Mapping[str, Sequence[str]] = {
    "download": ("datasets/fetching", *_VALUES),
    "prepare": (
        *(f"datasets/{name}.py" for name in ("contents", "counts", "decoding", "deep", "formats")),
        *(f"datasets/{name}.py" for name in ("listing", "manifest", "pixels", "splits")),
        *("datasets/origin.py", "datasets/stats.py", "datasets/tree.py", "datasets/readers"),
        *(
            f"datasets/fetching/{name}.py"
            for name in ("archive_headers", "placed_files", "unpacking")
        ),
        *("base/memory.py", "base/text.py", *_VALUES),
    ),
    "tune": _TRIAL,
    "evaluate": (*_TRIAL, "deployment", "search"),
    "decide": (*_TRIAL, "deployment", "reporting"),
    "report": ("base", "settings", "datasets", "trials", "reporting"),
}
"""The code of each stage, below ``pipeline/``; the stage's own module is added."""

_COMMENTS = {
    "version": "Always runs, so that the other stages notice another version of the program.",
    "download": "Its output is kept when it runs again; existing files are verified.",
    "prepare": "Of params.yaml it reads only `dataset`, so other settings decode no images again.",
    "tune": "Finished trials are replayed from the journal. The dataset's file is not listed,"
    " because the manifest changes with the data, so another mirror starts no new search.",
    "evaluate": "Seed, recipe, protocol and data are not listed: when one changes, tune runs first"
    " and writes another key to best.yaml. bayes.yaml and its budget are listed, because searches"
    " are replayed on a finished grid. openings.csv is kept when it runs again: it counts how often"
    " the test split was opened.",
    "decide": "Adds seeds only if `evaluate.seeds` is auto. It reads what all strategies measured.",
    "report": "Needs neither data nor journal, and takes seconds.",
}
_WIDTH = 100


@dataclass(frozen=True)
class Pipeline:
    """The properties in which one dvc.yaml differs from another."""

    header: str
    """Comment at the top of the file: what it is and how to run it."""
    folder: str = "."
    """Folder of the file and its params.yaml, relative to where the stages run."""
    downloads: bool = False
    own_folders: bool = False
    """Whether its datasets are a person's own images, listed in ``folders`` of params.yaml."""
    refits: bool = True
    """Whether evaluate trains again; False under the paddle protocol."""
    metrics: bool = False
    """Whether `dvc metrics` and `dvc plots` show its results."""
    report_reads: tuple[str, ...] = ()
    """Additional files that its report reads."""
    installed: bool = False
    """Whether an installed program runs the stages; then they list its version, not its code."""

    def text(self, params: Mapping[str, Any]) -> str:
        """Return the text of the file; ``params`` is the content of the params.yaml beside it."""
        shown = textwrap.dedent(self.header).strip().splitlines()
        if not self.installed and not self.folder.startswith("projects/"):
            shown.append(f"Written by `{COMMAND}` from pipeline/projects/dvc_yaml.py.")
        parts = ["".join(f"# {line}\n" for line in shown), "stages:\n"]
        for name, stage in self._stages(params).items():
            comment = textwrap.wrap(_COMMENTS[name], _WIDTH - 4)
            parts.append("".join(f"  # {line}\n" for line in comment))
            parts.append(textwrap.indent(dump({name: stage}), "  "))
        if self.metrics:
            parts.append(dump(_SHOWN))
        return "".join(parts)

    def _stages(self, params: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        point = [name for name in HYPERPARAMETERS if name in params]  # DVC refuses a missing key
        limit = ["search.max_hours"] if "max_hours" in (params.get("search") or {}) else []
        planned = ["planned"] if "planned" in params else []
        stages = {}
        if self.installed:
            stages["version"] = _VERSION
        if self.downloads:
            stages["download"] = self._for_each_dataset(self._download())
        if self.downloads or self.own_folders:
            stages["prepare"] = self._for_each_dataset(self._prepare())
        return stages | {
            "tune": {"matrix": _EVERY_CELL, **self._tune([*point, *limit])},
            "evaluate": {"matrix": _EVERY_CELL, **self._evaluate(point)},
            **({"decide": {"matrix": _EVERY_PLACE, **self._decide(point)}} if self.refits else {}),
            "report": self._report(planned),
        }

    def _for_each_dataset(self, stage: dict[str, Any]) -> dict[str, Any]:
        return {"foreach": "${folders}" if self.own_folders else "${datasets}", "do": stage}

    def _download(self) -> dict[str, Any]:
        return self._stage(
            "download",
            "fetch the archives, with resume, mirrors and digests",
            "dataset=${item}",
            deps=self._conf("dataset/${item}.yaml"),
            outs=[{"data/raw/${item}": Inline(cache=False, persist=True)}],
        )

    def _prepare(self) -> dict[str, Any]:
        dataset = "${key}" if self.own_folders else "${item}"
        conf = "dataset/folder.yaml" if self.own_folders else "dataset/${item}.yaml"
        outs = ("manifest.parquet", "pixels.bin", "stats.json")
        return self._stage(
            "prepare",
            "read the lists of images, split, and decode every image once",
            f"dataset={dataset}",
            deps=["${item}" if self.own_folders else "data/raw/${item}", *self._conf(conf)],
            params=["dataset"],
            outs=[{f"data/prepared/{dataset}/{out}": Inline(cache=False)} for out in outs],
        )

    def _tune(self, point: Sequence[str]) -> dict[str, Any]:
        conf = ("model/${item.model}.yaml", "recipe", "protocol", "strategy/${item.strategy}.yaml")
        return self._stage(
            "tune",
            "search the hyperparameters of each cell",
            _CHOSEN,
            deps=[
                "data/prepared/${item.dataset}/manifest.parquet",
                *self._conf(*conf),
                *self._checkout(_SEARCHER),
            ],
            params=[
                *("defaults", "project", "model", "recipe", *point, "seed", "objective"),
                *("space", "search.${item.strategy}", "tune", "machine"),
            ],
            outs=self._of_cell("trials.csv", "curves.csv", "runs.csv", "best.yaml"),
        )

    def _evaluate(self, point: Sequence[str]) -> dict[str, Any]:
        dataset = "dataset/folder.yaml" if self.own_folders else "dataset/${item.dataset}.yaml"
        refit = ("predictions.parquet", "model") if self.refits else ()
        return self._stage(
            "evaluate",
            "refit the best point on train and validation, open the test split once"
            if self.refits
            else "write down the accuracy the point was selected by; nothing is refitted",
            _CHOSEN,
            deps=[
                *self._of_cell("best.yaml", "trials.csv"),
                "data/prepared/${item.dataset}/stats.json",
                *self._conf(dataset, "model/${item.model}.yaml", "strategy/bayes.yaml"),
                *self._checkout(_SEARCHER),
            ],
            params=[
                *("defaults", *(["dataset"] if self.refits else []), "project", "model"),
                *(*point, "search.bayes"),
                *(*(["evaluate"] if self.refits else []), "machine"),
            ],
            outs=[
                *self._of_cell("final.json", "final_runs.csv", *refit),
                *({path: Inline(persist=True)} for path in self._of_cell("openings.csv")),
            ],
        )

    def _decide(self, point: Sequence[str]) -> dict[str, Any]:
        return self._stage(
            "decide",
            "add refit seeds where a comparison of strategies is undecided",
            "dataset=${item.dataset} model=${item.model}",
            deps=[
                self._here(f"results/{_PLACE}"),
                *self._conf("model/${item.model}.yaml"),
            ],
            params=[
                *("defaults", "project", "datasets", "models", "strategies", "model"),
                *(*point, "evaluate", "machine"),
            ],
            outs=[{self._here(f"results/.decided/{_PLACE}"): Inline(persist=True)}],
        )

    def _report(self, planned: Sequence[str]) -> dict[str, Any]:
        return self._stage(
            "report",
            "tables, figures and the page, from the exported results",
            "",
            deps=[self._here("results"), *self._checkout("published"), *self.report_reads],
            params=["defaults", "title", "datasets", "models", "strategies", *planned],
            outs=[self._here("report")],
        )

    def _stage(
        self,
        name: str,
        description: str,
        overrides: str,
        *,
        deps: Sequence[str],
        outs: Sequence[Any],
        params: Sequence[str] = (),
    ) -> dict[str, Any]:
        elsewhere = self.folder != "."
        code = [f"pipeline/{each}" for each in (f"{name}.py", *CODE[name])]
        command = [
            f"{'vdtransfer' if self.installed else './vdtransfer'} {name}",
            *([f"--config-path {self.folder}"] if elsewhere else []),
            *([overrides] if overrides else []),
        ]
        # A plain key would be recorded from the params.yaml of `wdir`.
        named = [Inline({self._here(f"{CONFIG_NAME}.yaml"): list(params)})]
        up = "/".join(".." for _ in PurePosixPath(self.folder).parts)
        return {
            **({"wdir": up} if elsewhere else {}),
            "desc": description,
            "cmd": " ".join(command),
            "deps": [*deps, *([VERSION_FILE] if self.installed else code)],
            **({"params": named if elsewhere else Row(params)} if params else {}),
            "outs": list(outs),
        }

    def _here(self, name: str) -> str:
        return (PurePosixPath(self.folder) / name).as_posix()

    def _of_cell(self, *names: str) -> list[str]:
        return [self._here(f"results/{_CELL}/{name}") for name in names]

    def _conf(self, *names: str) -> list[str]:
        return self._checkout(*(f"conf/{name}" for name in names))

    def _checkout(self, *paths: str) -> list[str]:
        """Return the paths in a checkout; the version file instead if the program is installed."""
        return [] if self.installed else list(paths)


_VERSION = {
    "desc": "write down the version of the installed program",
    "cmd": f"vdtransfer --version > {VERSION_FILE}",
    "outs": [{VERSION_FILE: Inline(cache=False)}],
    "always_changed": True,
}
_SHOWN = {
    "metrics": ["report/metrics.json"],
    "plots": [
        {"report/plots/accuracy.csv": Inline(x="top1", y="cell", template="bar_horizontal")},
        {"report/plots/search": Inline(x="trial", y="best")},
    ],
}
