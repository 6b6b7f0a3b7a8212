"""dvc.yaml: the cells it lists, and that a change makes exactly the stages stale that read it."""

import ast
import json
import re
import subprocess
import sys
from collections import Counter
from contextlib import chdir
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from pipeline.projects.committed import committed
from pipeline.settings.folders import CONF
from pipeline.settings.point import HYPERPARAMETERS
from tests.support.stages import BENCHMARK, copy_project

ROOT = Path(__file__).parents[2]
DATASETS = ("digits", "dtd")
STAGES = ("download", "prepare", "tune", "evaluate", "decide", "report")
STRATEGIES = ("fixed", "grid", "bayes")
CELLS = {f"{d}-resnet50_vd-{s}" for d in DATASETS for s in STRATEGIES}
TUNE, EVALUATE = ({f"{stage}@{cell}" for cell in CELLS} for stage in ("tune", "evaluate"))
DECIDE = {f"decide@{d}-resnet50_vd" for d in DATASETS}
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
        "decide": 8,
        "report": 1,
    }


def test_every_dvc_yaml_is_what_the_template_says():
    """After a change of the template: python -m pipeline.projects.committed."""
    written = committed(ROOT)
    assert {path: path.read_text() for path in written} == written
    assert set(written) == {ROOT / "dvc.yaml", *ROOT.glob("*/dvc.yaml")}


def imported(path):
    """The modules of pipeline/ that a module imports, wherever in it, also by a reader's name."""
    names = set()
    if path == ROOT / "pipeline" / "datasets" / "readers" / "__init__.py":
        return set(path.parent.glob("*.py")) - {path}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    paths = [ROOT / name.replace(".", "/") for name in names if name.startswith("pipeline")]
    modules = {path.with_suffix(".py") for path in paths} | {path / "__init__.py" for path in paths}
    return {each for each in modules if each.is_file()}


FRAME = {
    *("base/arguments.py", "base/errors.py", "base/disk.py", "base/locks.py", "base/progress.py"),
    "base/interim_looks.py",
    *("settings/command_line.py", "settings/defaults.py", "settings/guard.py"),
    *("settings/machine.py", "settings/folders.py", "settings/schema.py", "settings/values.py"),
    "settings/point.py",
    *("settings/faults.py", "settings/plain_yaml.py", "settings/rules.py"),
    *("planning/input_size.py", "models/architecture.py"),
}
"""What refuses, waits, shows progress or names places: it changes no byte of an output."""
LEFT_OUT = {
    "download": FRAME | {"base/text.py"},
    # For a person's images tune makes a project, whose stages are other processes.
    "tune": {
        *(f"projects/{name}.py" for name in ("changes", "dvc_yaml", "making", "own_images")),
        *(f"projects/{name}.py" for name in ("options", "proposal", "spelling")),
        *(
            f"planning/{name}.py"
            for name in ("budget", "model_choice", "estimates", "images", "input_size", "timing")
        ),
        "planning/pace.py",
    },
    # The pace says how long the rest takes; the check of the image size only refuses.
    "evaluate": {f"planning/{name}.py" for name in ("estimates", "input_size", "pace")},
    # The estimate says how much room is needed; it knows how far a download has come.
    "prepare": FRAME
    | {"planning/estimates.py"}
    | {f"datasets/fetching/{name}.py" for name in ("fetch", "hub", "transfer", "digests")},
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_lists_every_module_it_imports(stage):
    package = ROOT / "pipeline"
    seen, waiting = set(), {package / f"{stage}.py"}
    while waiting:
        path = waiting.pop()
        seen.add(path)
        waiting |= imported(path) - seen
    read = {path.relative_to(package).as_posix() for path in seen if path.read_text().strip()}
    body = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]
    listed = {each.removeprefix("pipeline/") for each in body.get("do", body)["deps"]}
    missing = {
        name
        for name in read - {"__init__.py"}
        if not any(name == each or name.startswith(f"{each}/") for each in listed)
    }
    assert missing - LEFT_OUT.get(stage, set()) == set()
    assert LEFT_OUT.get(stage, set()) <= missing  # nothing is excused that is not read


def test_evaluate_lists_where_its_replays_of_a_search_begin_and_end():
    bayes = yaml.safe_load((CONF / "strategy" / "bayes.yaml").read_text())
    assert bayes["hydra"]["sweeper"]["initial_points"] == ["${first:}"]
    read = {*HYPERPARAMETERS, *re.findall(r"\$\{(\w+)[.}]", json.dumps(bayes["hydra"]))}
    stage = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["evaluate"]
    listed = {each.partition(".")[0] for each in stage["params"]}
    assert read - {"seed", "space"} <= listed  # seeds are counted, the grid's table has the space


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


REPORT = {"report"}
DOWNLOAD = {f"download@{d}" for d in DATASETS}
TRAINED = TUNE | EVALUATE | DECIDE
BAYES, GRID = ({n for n in TUNE if n.endswith(f"-{s}")} for s in ("bayes", "grid"))


def of(dataset, stages):
    return {name for name in stages if f"@{dataset}-" in name}


CODE_EDITS = {
    "base/files.py": DOWNLOAD | PREPARE | TRAINED | REPORT,
    "base/statistics.py": TRAINED | REPORT,
    "settings/machine.py": TRAINED | REPORT,
    "settings/schema.py": TRAINED | REPORT,
    "settings/dataset.py": DOWNLOAD | PREPARE | TRAINED | REPORT,
    "datasets/fetching/transfer.py": DOWNLOAD | TRAINED | REPORT,
    "datasets/fetching/unpacking.py": DOWNLOAD | PREPARE | TRAINED | REPORT,
    "datasets/readers/dtd.py": PREPARE | TRAINED | REPORT,
    "datasets/splits.py": PREPARE | TRAINED | REPORT,
    "models/weights.py": TRAINED,
    "training/losses.py": TRAINED,
    "trials/journal.py": TRAINED | REPORT,
    "deployment/package.py": EVALUATE | DECIDE,
    "search/replay.py": EVALUATE,
    "planning/timing.py": set(),
    "projects/dvc_yaml.py": set(),
    "reporting/tables.py": DECIDE | REPORT,
    "download.py": DOWNLOAD,
    "prepare.py": PREPARE,
    "tune.py": TUNE,
    "evaluate.py": EVALUATE,
    "decide.py": DECIDE,
    "report.py": REPORT,
    "predict.py": set(),
}
FILE_EDITS = {
    "conf/recipe/paddle.yaml": TUNE,
    "conf/protocol/heldout.yaml": TUNE,
    "conf/strategy/grid.yaml": GRID,
    "conf/strategy/bayes.yaml": BAYES | EVALUATE,
    "conf/dataset/dtd.yaml": {"download@dtd", "prepare@dtd"} | of("dtd", EVALUATE),
    "conf/model/resnet50_vd.yaml": TRAINED,
    "conf/model/resnet50_vd_ssld.yaml": set(),
    "conf/hydra/launcher/ray.yaml": set(),
    "conf/paths/default.yaml": set(),
    "published/table1.csv": REPORT,
    "paddle_protocol/figures.csv": REPORT,
    "plugins/hydra-skopt-sweeper/src/hydra_plugins/hydra_skopt_sweeper/config.py": TUNE | EVALUATE,
    "plugins/hydra-skopt-sweeper/README.md": set(),
    "data/raw/dtd/content": {"prepare@dtd"},
    "data/prepared/dtd/manifest.parquet": of("dtd", TUNE),
    "data/prepared/dtd/stats.json": of("dtd", EVALUATE),
    "results/dtd/resnet50_vd/bayes/best.yaml": {"evaluate@dtd-resnet50_vd-bayes"}
    | of("dtd", DECIDE)
    | REPORT,
}
PARAMS_EDITS = [
    ("seed", 8, TUNE),
    ("lr", 0.001, TRAINED),
    ("project", "other", TRAINED),
    ("title", "Other", REPORT),
    ("recipe", {"epochs": 5}, TUNE),
    ("model", {"weights": "none"}, TRAINED),
    ("dataset", {"max_val_images": 5}, PREPARE | EVALUATE),
    ("tune.allowed_failures", 1, TUNE),
    ("evaluate.seeds", [5], EVALUATE | DECIDE),
    ("machine.precision", "float32", TRAINED),
    ("space.mixup", [False], TUNE),
    ("search.bayes.n_trials", 26, BAYES | EVALUATE),
    ("search.random.n_trials", 26, set()),
    ("defaults.3.recipe", "quick20", TRAINED | REPORT),
]


def with_value(text, key, value):
    """The text of params.yaml with one value changed, a list's by its number."""
    values = node = yaml.safe_load(text)
    *above, last = key.split(".")
    for part in above:
        node = node[int(part) if isinstance(node, list) else part]
    node[last] = value
    return yaml.safe_dump(values, sort_keys=False)


def stale(folder):
    """The stages that `dvc repro` would run next: what they read or their command has changed."""
    with chdir(folder), Repo() as repo:  # stages are named as seen from the working directory
        status = repo.status()
    return {
        stage
        for stage, changes in status.items()
        if any(isinstance(each, str) or "changed deps" in each for each in changes)
    }


EDITS = [
    *((f"pipeline/{name}", None, stages) for name, stages in CODE_EDITS.items()),
    *((name, None, stages) for name, stages in FILE_EDITS.items()),
    *(("params.yaml", (key, value), stages) for key, value, stages in PARAMS_EDITS),
]


@pytest.mark.slow
def test_an_edit_makes_exactly_its_readers_stale(finished, subtests):
    """Those that must run next: what follows runs when their output has changed.

    No edit of code or settings of training makes a dataset be fetched or decoded again.
    """
    for name, edit, expected in EDITS:
        path = finished / name
        before = path.read_text()
        path.write_text(with_value(before, *edit) if edit else f"{before}\n# edited\n")
        try:
            with subtests.test(name=name, edit=edit):
                assert stale(finished) == expected
        finally:
            path.write_text(before)
    assert stale(finished) == set()
