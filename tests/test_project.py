"""`make tune`: a project folder for anybody's images, whatever their path looks like."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from PIL import Image
from sklearn.datasets import load_digits

from pipeline import project
from pipeline.base.errors import UserError
from pipeline.planning.model_choice import SMALL
from pipeline.planning.timing import Speed
from pipeline.projects import making, own_images, spelling
from pipeline.settings.compose import compose, quote
from tests.support.stages import copy_project, environment
from tests.support.waiting import until

ROOT = Path(__file__).parents[1]
HARD = "im ages, é中文=[x] 'q\" (p) #h {b} $HOME $(x) * \\ % & ; `ls`"
RANDOM = "resnet50_vd_random"


def digits(folder, per_class=20, classes=3):
    found = load_digits()
    for label in range(classes):
        (folder / f"cl,as=s {label}").mkdir(parents=True)
        for number, image in enumerate(found.images[found.target == label][:per_class]):
            pixels = Image.fromarray((image * 15).astype(np.uint8))
            pixels.save(folder / f"cl,as=s {label}" / f"{number}.png")
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@given(st.text(alphabet="a\\'\"$ {},=[]()é中#%:;&*~`!|<>?-", min_size=1, max_size=12))
def test_quoted_text_reaches_the_configuration_as_it_is(text):
    override = OverridesParser.create().parse_override(f"dataset.root={quote(text)}")
    assert not override.is_sweep_override()
    assert OmegaConf.create({"root": str(override.value())}).root == text


def test_what_dvc_says_reaches_the_person(here, capfd):
    """Its own --quiet hides errors: the run stopped without a cause."""
    folder = making.make(str(digits(here / "images", per_class=3)), "mine", RANDOM)
    (here / ".dvc").mkdir()
    (here / ".dvc" / "config").write_text("[core\n")
    with pytest.raises(UserError, match="the stage above failed"):
        making.run(folder)
    assert "configuration error - config file error" in capfd.readouterr().err


def test_a_hard_path_reaches_every_stage_and_dvc(here):
    images = digits(here / HARD, per_class=3)
    folder = making.make(str(images), None, RANDOM)
    cfg = compose(folder)
    assert cfg.dataset.root == str(images)
    assert cfg.dataset.name == cfg.datasets[0] == cfg.project == folder.name
    assert (cfg.model.name, cfg.recipe.name, cfg.strategies) == (
        RANDOM,
        "quick20",
        ["fixed", "bayes"],
    )
    stages = yaml.safe_load((folder / "dvc.yaml").read_text())["stages"]
    assert "large_scale" not in yaml.safe_dump(stages)
    assert stages["prepare"]["do"]["wdir"] == stages["tune"]["wdir"] == "../.."
    assert compose(folder, [f"dataset={folder.name}"]).dataset == cfg.dataset


def test_help_tells_how_it_is_started_and_what_strategies_are(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "argv", ["pipeline/project.py", "--help"])
    with pytest.raises(SystemExit):
        project.main()
    printed = capsys.readouterr().out
    assert printed.startswith("usage: ./vdtransfer project ")
    assert "names under conf/strategy, comma-separated (default: fixed,bayes" in printed


def test_a_second_run_keeps_what_a_person_edited(here):
    images = digits(here / "images", per_class=3)
    folder = making.make(str(images), "mine", RANDOM)
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("seed: 7", "seed: 8"))
    edited = params.read_bytes()
    assert making.make("images/", "mine") == folder
    assert making.make(str(images), "mine", RANDOM, "fixed,bayes") == folder
    assert params.read_bytes() == edited


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"data": "others"}, "has mine: .*images, not .*others"),
        ({"model": "resnet50_vd"}, f"--model resnet50_vd: .* has models: {RANDOM}"),
        ({"strategies": "grid"}, "--strategies grid: .* has strategies: fixed,bayes"),
    ],
)
def test_a_project_is_not_turned_into_another(here, changed, message):
    digits(here / "images", per_class=3)
    digits(here / "others", per_class=3)
    making.make("images", "mine", RANDOM)
    before = (here / "projects" / "mine" / "params.yaml").read_bytes()
    with pytest.raises(UserError, match=message):
        making.make(**({"data": "images", "name": "mine"} | changed))
    assert (here / "projects" / "mine" / "params.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"data": "nowhere"}, "no such folder"),
        ({"data": "images", "name": "digits"}, "name of a dataset in .*digits.yaml"),
        ({"data": "images", "name": "my_images"}, "name of a dataset in .*large_scale"),
        ({"data": "images", "name": "quickstart"}, "'quickstart' is the name of a project in"),
        ({"data": "images", "name": "benchmark"}, "'benchmark' is the name of a project in"),
        ({"data": "images", "name": "1e3"}, "'1e3', .* reads as the number 1000"),
        ({"data": "images", "name": "0o17"}, "'0o17', .* reads as the number 15"),
        ({"data": "images", "name": "12e-1"}, "'12e-1', .* reads as the number 1.2"),
        ({"data": "images", "name": "a/b"}, "allowed are letters"),
        ({"data": "images", "name": "..", "model": RANDOM}, "allowed are letters"),
        ({"data": "images", "model": "resnet50vd"}, "Did you mean 'resnet50_vd'"),
        ({"data": "images", "strategies": "fixed,bayez"}, "Did you mean 'bayes'"),
        ({"data": "a${b}"}, "may not hold"),
        ({"data": ".", "name": "here"}, "the project would lie among the images"),
    ],
)
def test_what_cannot_be_is_one_message_and_leaves_nothing(here, asked, message):
    digits(here / "images", per_class=3)
    (here / "a${b}").mkdir()
    with pytest.raises(UserError, match=message):
        making.make(**asked)
    assert not (here / "projects").exists()


@pytest.mark.parametrize(
    ("spell", "advice"),
    [
        (spelling.as_option, "Choose one with --name NAME"),
        (spelling.as_variable, "Choose one with NAME=NAME"),
    ],
)
def test_each_command_names_its_own_options(here, spell, advice):
    digits(here / "images", per_class=3)
    with pytest.raises(UserError, match=advice):
        making.make("images", "a/b", spell=spell)
    assert not (here / "projects").exists()


def test_weights_that_cannot_be_had_say_how_to_go_on(here, monkeypatch):
    digits(here / "images", per_class=3)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"(?s)put it at .*--model resnet50_vd_random"):
        making.make("images", "mine", "resnet50_vd")
    assert not (here / "projects").exists()


@pytest.mark.parametrize(
    ("path", "name"),
    [("été 2024", "été_2024"), ("花", "花"), ("a,b=c[1]", "a_b_c_1"), ("--x--", "x")],
)
def test_names_of_projects_come_from_the_folder(tmp_path, path, name):
    assert own_images.default_name(tmp_path / path) == name


def test_make_hands_over_what_was_typed(tmp_path):
    """The recipe of the Makefile with a program that prints its arguments in place of ours."""
    fake = tmp_path / "bin" / "python"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nfor each in "$@"; do printf "%s\\n" "$each"; done\n')
    fake.chmod(0o755)
    text = (ROOT / "Makefile").read_text().replace("tune: setup ##", "tune: ##")
    (tmp_path / "Makefile").write_text(text)
    typed = f"/data/{HARD} ${{y}}"
    done = subprocess.run(
        ["make", "-s", "tune", f"DATA={typed}", "STRATEGIES=fixed,grid", f"VENV={tmp_path}"],
        cwd=tmp_path,
        env=os.environ | {"NAME": "of the machine"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == [
        "-m",
        "pipeline.project",
        "--from-make",
        "--strategies",
        "fixed,grid",
        "--",
        typed,
    ]


@pytest.fixture
def timed(monkeypatch):
    """A processor that trains 100 images a second, whatever the machine is."""
    monkeypatch.setattr("pipeline.training.devices.resolve_device", lambda device: "cpu")
    speed = Speed("cpu", "float32", 1, train=0.01, evaluate=0.003, memory=1, free=2)
    monkeypatch.setattr("pipeline.planning.timing.measure", lambda cfg: speed)


def test_hours_are_planned_once_and_frozen_in_the_project(here, timed, capsys):
    images = digits(here / "images", per_class=3)
    folder = making.make("images", "mine", hours=2)
    cfg = compose(folder)
    assert (cfg.search.max_hours, cfg.strategies, cfg.models) == (2, ["bayes"], [SMALL])
    assert (cfg.recipe.epochs, cfg.recipe.image_size, cfg.search.bayes.n_trials) == (40, 32, 25)
    assert cfg.recipe.crop_scale == [0.08, 1.0]
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert said["model"] == cfg.planned.model
    assert said["search"] == cfg.planned.search
    assert "about 25 trials" in cfg.planned.search
    assert cfg.recipe.batch_size == 4  # of five images
    stages = yaml.safe_load((folder / "dvc.yaml").read_text())["stages"]
    for stage in ("tune", "evaluate"):
        assert "search.max_hours" in stages[stage]["params"][0]["projects/mine/params.yaml"]
    assert "planned" in stages["report"]["params"][0]["projects/mine/params.yaml"]
    params = (folder / "params.yaml").read_bytes()
    assert making.make(str(images), "mine", "auto", hours=2) == folder
    with pytest.raises(UserError, match=r"--hours 3: .*params.yaml has search.max_hours: 2"):
        making.make("images", "mine", hours=3)
    assert (folder / "params.yaml").read_bytes() == params


def test_a_short_plan_takes_larger_crops_and_the_faster_precision(here, timed, monkeypatch):
    def measure(cfg):
        precision = "float32" if cfg.machine.precision == "float32" else "bf16"
        train = 10.0 if precision == "float32" else 20.0
        return Speed("cpu", precision, 1, train, evaluate=3.0, memory=1, free=2)

    monkeypatch.setattr("pipeline.planning.timing.measure", measure)
    digits(here / "images", per_class=20)
    cfg = compose(making.make("images", "mine", "efficientnet_lite0", hours=3))
    assert cfg.recipe.epochs <= 12
    assert cfg.recipe.crop_scale == [0.35, 1.0]
    assert cfg.machine.precision == "float32"


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16"), (False, "float32")])
def test_a_project_has_the_precision_of_its_machine(here, timed, monkeypatch, native, precision):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": native})
    digits(here / "images", per_class=20)
    cfg = compose(making.make("images", "mine", "efficientnet_lite0"))
    assert cfg.machine.precision == precision


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"hours": 1e-6}, "Give at least --hours"),
        ({"hours": -1.0}, "--hours: found -1; allowed: a number above 0"),
        ({"hours": 1.0, "strategies": "fixed,bayes"}, "found strategies fixed,bayes; allowed: bay"),
        ({"settings": ["lr=1"]}, "found lr=1; allowed for a new project: dataset.KEY=VALUE"),
        ({"settings": ["dataset.clas_level=2"]}, "Did you mean 'class_level'"),
    ],
)
def test_a_plan_that_cannot_be_leaves_nothing(here, timed, asked, message):
    digits(here / "images", per_class=3)
    with pytest.raises(UserError, match=message):
        making.make("images", "mine", **asked)
    assert not (here / "projects").exists()


def test_images_that_changed_since_the_last_run_are_said(here, timed, capsys):
    images = digits(here / "images", per_class=3)
    making.make("images", "mine", RANDOM)
    prepared = here / "data" / "prepared" / "mine"
    prepared.mkdir(parents=True)
    paths = [path.relative_to(images) for path in sorted(images.rglob("*.png"))]
    names = {"path": [path.as_posix() for path in paths], "class_name": [p.parts[0] for p in paths]}
    pq.write_table(pa.table(names), prepared / "manifest.parquet")
    (prepared / "stats.json").write_text('{"unreadable": []}')
    capsys.readouterr()
    making.make("images", "mine")
    assert capsys.readouterr().err == ""
    (images / paths[0]).rename(images / paths[0].with_name("renamed.png"))
    making.make("images", "mine")
    assert "since the last run: 1 new image, 1 removed image." in capsys.readouterr().err
    os.utime(images / paths[1], (time.time() + 60,) * 2)
    making.make("images", "mine")
    assert "new image, 1 removed image, 1 changed image." in capsys.readouterr().err
    shutil.rmtree(images / paths[0].parent)
    with pytest.raises(UserError, match="no image is left of 1 class of the last run: 'cl,as"):
        making.make("images", "mine")


def quiet_dvc(folder, command, out):
    """Start a pipeline of one stage, which writes ``out``, as a project's pipeline is started."""
    (folder / ".dvc" / "tmp").mkdir(parents=True, exist_ok=True)
    (folder / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    stages = {"stages": {"one": {"cmd": command, "outs": [out]}}}
    (folder / "dvc.yaml").write_text(yaml.safe_dump(stages))
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.projects.quiet_dvc", "repro"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("code", "message"), [(130, ""), (3, "failed to run: exit 3")])
def test_dvc_says_nothing_of_a_stage_that_answered_ctrl_c(tmp_path, code, message):
    with quiet_dvc(tmp_path, f"exit {code}", "result") as dvc:
        said = dvc.stderr.read()
    assert dvc.returncode != 0
    assert message in said
    assert bool(said.strip()) == bool(message)


def test_dvc_says_nothing_of_files_that_a_killed_process_had_reserved(tmp_path):
    with subprocess.Popen("true") as dead:
        dead.wait()
    reserved = {"write": {str(tmp_path / "result"): {"pid": dead.pid, "cmd": "dvc repro"}}}
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    (tmp_path / ".dvc" / "tmp" / "rwlock").write_text(json.dumps(reserved))
    with quiet_dvc(tmp_path, "echo once > result", "result") as dvc:
        assert dvc.stderr.read() == ""
    assert dvc.returncode == 0
    assert (tmp_path / "result").is_file()


def test_a_second_run_of_a_pipeline_waits_for_the_first(tmp_path):
    command = "touch begun; until [ -e over ]; do sleep 0.1; done; echo once >> result"
    run = (tmp_path, command, {"result": {"persist": True}})
    with quiet_dvc(*run) as first:
        until(lambda: (tmp_path / "begun").exists() or first.poll() is not None)
        assert first.poll() is None
        with quiet_dvc(*run) as second:
            waits = "this pipeline is under way in another process; waiting for it\n"
            assert second.stderr.readline() == waits
            (tmp_path / "over").touch()
            assert (first.wait(), second.wait()) == (0, 0)
    assert (tmp_path / "result").read_text() == "once\n"


@pytest.mark.slow
def test_from_a_hard_path_to_model_and_report(tmp_path):
    copy = tmp_path / "copy"
    copy_project(copy, "large_scale", "params.yaml")
    images = digits(tmp_path / HARD)

    def run(*words):
        return subprocess.run(
            [sys.executable, "-m", *words],
            cwd=copy,
            env=environment(copy),
            capture_output=True,
            text=True,
        )

    assert run("dvc", "init", "--no-scm", "-q").returncode == 0
    make = f"from pipeline.projects import making; making.make({str(images)!r}, '花', {RANDOM!r})"
    subprocess.run([sys.executable, "-c", make], cwd=copy, env=environment(copy), check=True)
    params = copy / "projects" / "花" / "params.yaml"
    values = yaml.safe_load(params.read_text())
    values["recipe"] = {"epochs": 1, "batch_size": 8, "image_size": 32, "resize_size": 32}
    values |= {"evaluate": {"seeds": [0]}, "machine": {"threads": 1, "device": "cpu"}}
    values["search"]["bayes"]["n_trials"] = 2
    values["model"] = {"arch": "resnet10t"}  # the pipeline is what is tested
    params.write_text(yaml.safe_dump(values, allow_unicode=True, sort_keys=False))

    first = run("pipeline.project", "--name", "花", "--", str(images))
    assert first.returncode == 0, first.stdout + first.stderr
    assert "report: projects/花/report/report.html" in first.stdout
    for strategy in ("fixed", "bayes"):
        model = copy / "projects/花/results/花" / RANDOM / strategy / "model"
        assert (model / "model.safetensors").is_file()
    second = run("pipeline.project", "--name", "花", "--", str(images))
    assert second.returncode == 0
    assert "val top-1" in first.stdout
    assert "val top-1" not in second.stdout
    assert "花: 3 classes" not in second.stdout
    next(images.glob("*/0.png")).unlink()
    assert "prepare@花" in run("dvc", "status", "projects/花/dvc.yaml").stdout


def test_what_dvc_would_stumble_over_is_named_before_it_runs(here):
    images = here / "images"
    (images / "cat").mkdir(parents=True)
    (images / "cat" / "gone.png").symlink_to("nowhere")
    (images / "cat" / "loop.png").symlink_to("loop.png")
    (images / "cat" / "back").symlink_to("..")
    os.mkfifo(images / "cat" / ".pipe")
    (images / "dog").symlink_to("cat")
    with pytest.raises(UserError, match="DVC watches this folder") as refused:
        making.make(str(images), name="mine")
    for fault in (
        *("cat/gone.png: a link that leads nowhere", "cat/loop.png: a link that leads to itself"),
        *("cat/back: a link to a folder that it lies in", "cat/.pipe: a named pipe, not a regular"),
    ):
        assert fault in str(refused.value)
    assert not (here / "projects").exists()
