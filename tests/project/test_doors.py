"""Files from outside run nothing, and nothing listens beyond this machine; see docs/threats.md."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import ui
from pipeline.base.errors import UserError
from pipeline.reporting.results import CellName, read_results
from pipeline.settings.compose import compose
from tests.support.small_project import PARAMS
from tests.support.stages import ROOT

MARK = "it-ran"
"""A file that hostile content makes when it runs."""
RECORDS = "hydra_skopt_sweeper.records"
HOSTILE = {
    "a log file": (
        "hydra",
        f"{{job_logging: {{handlers: {{x: {{class: logging.FileHandler, filename: {MARK}}}}}}}}}",
    ),
    "a YAML tag": ("seed", f"!!python/object/apply:os.mkdir [{MARK}]"),
    "a callback of Hydra": ("hydra", f"{{callbacks: {{x: {{_target_: os.mkdir, path: {MARK}}}}}}}"),
    "a launcher": ("hydra", f"{{launcher: {{_target_: os.mkdir, path: {MARK}}}}}"),
    "a sweeper by interpolation": ("hydra", "{sweeper: {_target_: '${oc.env:DOOR}'}}"),
    "a log handler": (
        "hydra",
        f"{{job_logging: {{handlers: {{x: {{(): os.mkdir, path: {MARK}}}}}}}}}",
    ),
    "a module of a plugin": (
        "hydra",
        f"{{callbacks: {{x: {{_target_: {RECORDS}._write_whole, path: {MARK}, text: x}}}}}}",
    ),
    "what a plugin imports": (
        "hydra",
        f"{{callbacks: {{x: {{_target_: {RECORDS}.os.mkdir, path: {MARK}}}}}}}",
    ),
    "what logging imports": ("hydra", "{job_logging: {handlers: {x: {class: logging.os.mkdir}}}}"),
    "an import by logging": (
        "hydra",
        "{job_logging: {handlers: {x: {class: logging.StreamHandler, stream: 'ext://antigravity'}}}}",
    ),
    "a callback behind an interpolation": (
        "hydra",
        f"{{callbacks: {{x: '${{folders}}'}}}}\nfolders: {{_target_: os.mkdir, path: {MARK}}}",
    ),
    "a callback made by a resolver": (
        "hydra",
        f"{{callbacks: {{x: '${{oc.create:{{_target_: os.mkdir, path: {MARK}}}}}'}}}}",
    ),
    "a class of a log handler": ("hydra", "{job_logging: {handlers: {x: {class: os.mkdir}}}}"),
}


@pytest.mark.parametrize("kind", list(HOSTILE))
def test_a_configuration_runs_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOOR", "os.mkdir")
    key, value = HOSTILE[kind]
    plain = yaml.safe_dump({k: v for k, v in PARAMS.items() if k != key}, sort_keys=False)
    Path("params.yaml").write_text(f"{plain}{key}: {value}\n")
    with pytest.raises(UserError):
        compose(Path())
    assert not Path(MARK).exists()


CALLBACK = "hydra: {callbacks: {x: {_target_: os.mkdir}}}"
LOG = "job_logging: {handlers: {file: {class: logging.FileHandler, filename: it-ran}}}"


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        (
            "strategy/fixed.yaml",
            f"# @package _global_\n{CALLBACK}",
            r"hydra\.callbacks\.x\._target_",
        ),
        ("recipe/quickstart.yaml", CALLBACK, r"hydra\.callbacks\.x\._target_': found 'os\.mkdir'"),
        ("recipe/quickstart.yaml", f"# @package hydra\n{LOG}", "@package hydra"),
        ("recipe/quickstart.yaml", "defaults: [/hydra/callbacks: x]\nname: q", "defaults"),
        ("recipe/quickstart.yaml", "name: '${oc.env:HOME}'", r"name.*oc\.env"),
        ("hydra/launcher/basic.yaml", "_target_: os.mkdir", "hydra._target_"),
        ("paths/default.yaml", "run: {dir: /tmp}", "'paths' beside params.yaml"),
    ],
)
def test_a_group_that_shadows_ours_runs_nothing(
    tmp_path: Path, path: str, text: str, message: str
) -> None:
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS, sort_keys=False))
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(text)
    with pytest.raises(UserError, match=f"{re.escape(str(tmp_path / path))}.*{message}"):
        compose(tmp_path)


HYDRA = [
    *("hydra.sweep.dir=/tmp/x", "hydra.sweep.subdir=one", "hydra.run.dir=/tmp/x", "hydra.mode=RUN"),
    *("hydra.job.chdir=true", "hydra.output_subdir=x", "hydra.searchpath=[file:///tmp]"),
    *("hydra.job.env_set.LD_PRELOAD=x", "hydra.job.env_copy=[HOME]", "hydra.job.name=x"),
    *("+hydra.callbacks.x._target_=os.mkdir", "++hydra.callbacks={x: {_target_: os.mkdir}}"),
    *(
        "hydra.job_logging.formatters.simple.format=x",
        "hydra/job_logging=none",
        "hydra.verbose=true",
    ),
    *("hydra.hydra_logging.root.level=DEBUG", "hydra/output=x", "hydra={mode: RUN}", "~hydra"),
    *("~hydra.sweep.subdir", "hydra.sweeper._target_=os.mkdir", "hydra.launcher._target_=os.mkdir"),
    *("hydra.launcher.setup=[date]", "hydra.launcher={_target_: os.mkdir}", "+hydra/callbacks=x"),
    *("hydra.job.config.override_dirname.item_sep=x", "+hydra.launcher.partition='a\nb'"),
    *("hydra/launcher=../x", "hydra/launcher=null", "+recipe@hydra.job_logging=quickstart"),
]


@pytest.mark.parametrize("override", HYDRA)
def test_an_override_sets_nothing_of_hydras(override: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"override {override}: '")) as caught:
        compose(ROOT / "quickstart", [override])
    assert "allowed" in str(caught.value)


COMPUTED = [
    "${oc.env:HOME}",
    "x${oc.env:HOME,none}",
    "${hydra:job.name}",
    "${oc.decode:x}",
    "${seed}",
]


@pytest.mark.parametrize("text", COMPUTED)
@pytest.mark.parametrize("key", ["title", "model.weights", "dataset.root"])
def test_nothing_from_outside_is_computed(tmp_path: Path, key: str, text: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"override {key}={text}: '{key}': found")):
        compose(ROOT / "quickstart", [f"{key}={text}"])
    values: dict[str, Any] = {**PARAMS}
    group, _, name = key.rpartition(".")
    values |= {group: {name: text}} if group else {name: text}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    with pytest.raises(UserError, match=rf"params\.yaml: '{re.escape(key)}': found"):
        compose(tmp_path)


def test_a_launcher_and_what_it_asks_a_cluster_for_are_taken() -> None:
    overrides = ["hydra/launcher=slurm", "hydra.launcher.partition=gpu", "hydra.launcher.nodes=1"]
    assert compose(ROOT / "quickstart", ["strategy=grid", *overrides]).strategy.name == "grid"


def test_a_configuration_stays_small_when_its_aliases_are_written_out(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (tmp_path / "params.yaml").write_text("\n".join(lines))
    with pytest.raises(UserError, match="more than 100,000 values"):
        compose(tmp_path)


def test_exported_results_run_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As somebody may hand them over for a report."""
    monkeypatch.chdir(tmp_path)
    cell = tmp_path / "results" / "d" / "m" / "s"
    cell.mkdir(parents=True)
    point = "lr,l2_decay,label_smoothing,mixup"
    measured = "status,objective,top1,top5,mean_class,loss,train_loss,epoch"
    (cell / "trials.csv").write_text(f"trial,{point},seed,{measured},key\n")
    (cell / "curves.csv").write_text("trial,epoch,train_loss,loss,top1,top5,mean_class\n")
    columns = (
        "trial,key,experiment_id,run_id,replayed,seconds,fit_seconds,device,hardware,threads,host,"
        "finished"
    )
    (cell / "runs.csv").write_text(f"{columns}\n")
    (cell / "best.yaml").write_text(f"!!python/object/apply:os.mkdir [{MARK}]\n")
    with pytest.raises(UserError, match=r"best\.yaml"):
        read_results(tmp_path, [CellName("d", "m", "s")])
    assert not Path(MARK).exists()


def test_the_browser_of_trials_listens_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    popen = subprocess.Popen

    def start(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        started.append(command)
        return popen([sys.executable, "-c", ""])

    monkeypatch.setattr(ui.subprocess, "Popen", start)
    monkeypatch.setattr(sys, "argv", ["vdtransfer ui"])
    with pytest.raises(SystemExit):
        ui.main()
    [command] = started
    assert command[command.index("--host") + 1] == "127.0.0.1"


def test_nothing_is_loaded_from_mlflow_that_could_hold_code() -> None:
    """MLflow's loaders follow what a model's folder says, and some of them unpickle."""
    for path in (ROOT / "pipeline").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        used |= {node.id for node in nodes if isinstance(node, ast.Name)}
        modules = {
            each.name for node in nodes if isinstance(node, ast.Import) for each in node.names
        }
        modules |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
        assert not used & {"load_model", "pyfunc"}, path
        assert not modules & {"pickle", "cloudpickle", "dill", "mlflow.pyfunc"}, path


def test_every_guard_that_the_threat_note_names_is_there() -> None:
    note = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", note)
    assert len(named) > 20
    absent = [
        f"{path}::{name}"
        for path, name in named
        if not re.search(rf"^def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert absent == []
