"""dvc.yaml: the cells it lists, and that a change makes exactly the stages stale that read it."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from pipeline.settings.folders import CONF
from pipeline.settings.point import HYPERPARAMETERS
from pipeline.trials.deciding_code import DECIDING
from tests.support.stages import BENCHMARK, copy_project

ROOT = Path(__file__).parents[2]
DATASETS = ("digits", "dtd")
STAGES = ("download", "prepare", "tune", "evaluate", "report")
STRATEGIES = ("fixed", "grid", "bayes")
CELLS = {f"{d}-resnet50_vd-{s}" for d in DATASETS for s in STRATEGIES}
TUNE, EVALUATE = ({f"{stage}@{cell}" for cell in CELLS} for stage in ("tune", "evaluate"))
PREPARE = {f"prepare@{d}" for d in DATASETS}


def dvc(folder, *words):
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_root_lists_the_cells_of_the_whole_benchmark():
    names = dvc(ROOT, "stage", "list", "--name-only").split()
    assert Counter(name.partition("@")[0] for name in names) == {
        "download": 8,
        "prepare": 8,
        "tune": 24,
        "evaluate": 24,
        "report": 1,
    }


PIPELINES = [ROOT / "dvc.yaml", *sorted(ROOT.glob("*/dvc.yaml"))]


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.parent.name)
def test_every_pipeline_is_the_same_five_stages(path):
    """With its own folder in the commands, and params that name their file.

    What a sub-pipeline takes from elsewhere it leaves out: downloads, or the prepared data.
    """
    stages = yaml.safe_load(path.read_text())["stages"]
    assert list(stages) == [stage for stage in STAGES if stage in stages]
    assert {"tune", "evaluate", "report"} <= set(stages)
    for name, stage in stages.items():
        body = stage.get("do", stage)
        assert f"python -m pipeline.{name}" in body["cmd"]
        if path.parent == ROOT:
            continue
        assert f"--config-path {path.parent.name}" in body["cmd"]
        assert body["wdir"] == ".."
        for params in body.get("params", []):
            assert list(params) == [f"{path.parent.name}/params.yaml"]


def listed(path, stage):
    """The dependencies and the parameters of a stage, as if its pipeline were the root's."""
    body = yaml.safe_load(path.read_text())["stages"][stage]
    deps = {each.removeprefix(f"{path.parent.name}/") for each in body["deps"]}
    deps = {each.replace("/folder.yaml", "/${item.dataset}.yaml") for each in deps}
    [params] = body["params"] if path.parent != ROOT else [{"": body["params"]}]
    [keys] = params.values()
    return deps, set(keys)


def test_every_pipeline_reads_what_the_root_reads():
    """But for its own folder, its datasets' file and, where nothing is refitted, the model."""

    left_out = {
        "dataset",
        "evaluate",
    }
    for stage in ("tune", "evaluate"):
        root_deps, root_params = listed(ROOT / "dvc.yaml", stage)
        for path in PIPELINES:
            deps, params = listed(path, stage)
            missing = (root_deps - deps) | (root_params - params)
            assert missing <= (left_out if path.parent.name == "paddle_protocol" else set()), path


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.parent.name)
def test_tune_lists_what_the_key_in_best_yaml_stands_for(path):
    """evaluate leaves it out: what tune did not list would reach neither stage."""
    deps, params = listed(path, "tune")
    assert {f"pipeline/{Path(pattern).parent}" for pattern in DECIDING} <= deps
    assert {
        "data/prepared/${item.dataset}/manifest.parquet",
        "conf/model/${item.model}.yaml",
        "conf/recipe",
        "conf/protocol",
    } <= deps
    assert {"defaults", "model", "recipe", *HYPERPARAMETERS, "seed", "space", "machine"} <= params


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.parent.name)
def test_evaluate_lists_where_its_replays_of_a_search_begin_and_end(path):
    bayes = yaml.safe_load((CONF / "strategy" / "bayes.yaml").read_text())
    assert bayes["hydra"]["sweeper"]["initial_points"] == ["${first:}"]
    read = {*HYPERPARAMETERS, *re.findall(r"\$\{(\w+)[.}]", json.dumps(bayes["hydra"]))}
    assert read >= {*HYPERPARAMETERS, "search"}
    deps, params = listed(path, "evaluate")
    assert read - {"seed", "space"} <= params  # seeds are counted, the grid's table has the space
    assert {"conf/strategy/bayes.yaml", "pipeline/search"} <= deps


def make(folder, outs):
    for out in outs:
        path = folder / (out if isinstance(out, str) else next(iter(out)))
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"stands for {path.name}\n")
        else:
            path.mkdir(parents=True, exist_ok=True)
            (path / "content").write_text(f"stands for {path.name}\n")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A copy of the benchmark with two datasets whose every stage DVC takes for done."""
    folder = tmp_path_factory.mktemp("benchmark")
    copy_project(folder, *BENCHMARK)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["datasets"] = list(DATASETS)
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    stages = yaml.safe_load((folder / "dvc.yaml").read_text())["stages"]
    for name, stage in stages.items():
        body = stage.get("do", stage)
        text = json.dumps(body["outs"])
        if name in ("download", "prepare"):
            for dataset in DATASETS:
                make(folder, json.loads(text.replace("${item}", dataset)))
        elif name == "report":
            make(folder, body["outs"])
        else:
            for cell in CELLS:
                one = text
                parts = dict(zip(("dataset", "model", "strategy"), cell.split("-"), strict=True))
                for key, value in parts.items():
                    one = one.replace(f"${{item.{key}}}", value)
                make(folder, json.loads(one))
    dvc(folder, "init", "--no-scm", "--quiet")
    dvc(folder, "commit", "--force", "--quiet")
    assert json.loads(dvc(folder, "status", "--json")) == {}
    return folder


def in_params(old, new):
    return "params.yaml", old, new


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "stale"),
    [
        (in_params("seed: 7", "seed: 8"), TUNE),
        (in_params("n_trials: 25", "n_trials: 26"), TUNE | EVALUATE),
        (in_params("lr: 0.003\n", "lr: 0.001\n"), TUNE | EVALUATE),
        (in_params("recipe: {}", "recipe: {epochs: 5}"), TUNE),
        (in_params("model: {}", "model: {weights: none}"), TUNE | EVALUATE),
        (in_params("dataset: {}", "dataset: {max_val_images: 5}"), PREPARE | EVALUATE),
        (in_params("title: T", "title: t"), {"report"}),
        (in_params("recipe: paddle", "recipe: quick20"), PREPARE | TUNE | EVALUATE | {"report"}),
        (("conf/recipe/paddle.yaml", "epochs: 120", "epochs: 60"), TUNE),
        (("conf/recipe/quick20.yaml", "epochs: 20", "epochs: 60"), set()),
        (
            ("conf/strategy/grid.yaml", "MULTIRUN", "MULTIRUN  # all"),
            {name for name in TUNE if name.endswith("-grid")},
        ),
        (
            ("conf/dataset/dtd.yaml", "name: dtd", "name: dtd  # textures"),
            {"download@dtd", "prepare@dtd"} | {n for n in EVALUATE if "@dtd-" in n},
        ),
        (("conf/model/resnet50_vd_ssld.yaml", "title: ", "title:  "), set()),
        (("pipeline/training/losses.py", "import torch", "import torch  # all"), TUNE),
        (("pipeline/download.py", "import", "import  ", 1), {f"download@{d}" for d in DATASETS}),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, tuple) else None,
)
def test_a_change_makes_exactly_its_readers_stale(finished, change, stale):
    """Those that must run next: evaluate follows when tune has found another key."""
    name, old, new = change[:3]
    path = finished / name
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new))
    try:
        status = json.loads(dvc(finished, "status", "--json"))
    finally:
        path.write_text(before)
    found = {
        stage
        for stage, changes in status.items()
        if any(
            "changed deps" in each or "changed command" in each
            for each in changes
            if isinstance(each, dict)
        )
        or any(isinstance(each, str) for each in changes)
    }
    assert found == stale
