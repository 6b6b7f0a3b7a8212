"""The plan: counts, bytes and trials as configured; times from real steps."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline import plan
from pipeline.base.errors import UserError
from pipeline.planning.estimates import expected_images, need, trials
from pipeline.planning.timing import Speed, seconds_of
from pipeline.settings.compose import compose
from pipeline.settings.dataset import CountsConfig

ROOT = Path(__file__).parents[1]


def benchmark(*overrides):
    return compose(ROOT, list(overrides))


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A working directory with nothing prepared and nothing downloaded."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("dataset", "train", "val", "test"),
    [
        ("flowers102", 1020, 1020, 6149),
        ("food101", 60600, 15150, 25250),
        ("caltech101", 2448, 612, 6084),
        ("digits", 1150, 288, 359),
    ],
)
def test_images_per_split_after_the_held_out_shares(dataset, train, val, test):
    found = expected_images(benchmark(f"dataset={dataset}").dataset)
    assert found == CountsConfig(train=train, val=val, test=test)


def test_limits_of_a_subset_count():
    assert expected_images(compose(ROOT / "quickstart").dataset).train == 320


def test_bytes_to_download_and_what_is_unstated(elsewhere):
    flowers = need(benchmark("dataset=flowers102").dataset)
    assert (flowers.download, flowers.unstated) == (344862509 + 502 + 14989, 0)
    aircraft = need(benchmark("dataset=fgvc_aircraft").dataset)
    assert (aircraft.download, aircraft.unstated) == (0, 1)
    assert aircraft.store == pytest.approx(10_000 * 500 * 667 * 3, rel=0.01)


def test_what_is_there_is_not_downloaded_again(elsewhere):
    raw = elsewhere / "data" / "raw" / "flowers102"
    raw.mkdir(parents=True)
    (raw / "102flowers.tgz").write_bytes(b"placed")
    (raw / "setid.mat.part").write_bytes(b"x" * 100)
    assert need(benchmark("dataset=flowers102").dataset).download == 502 + 14989 - 100


@pytest.mark.parametrize(
    ("overrides", "search", "refits"),
    [
        ([], 196, 9),
        (["strategies=[fixed]"], 1, 3),
        (["strategies=[bayes]"], 25, 3),
        (["strategies=[fixed,bayes]"], 25, 6),
        (["strategies=[fixed,bayes,random]"], 49, 9),
        (["lr=0.5"], 197, 9),
        (["lr=0.5", "strategies=[grid]"], 196, 3),
        (["lr=0.5", "strategies=[fixed,bayes]", "search.bayes.n_trials=500"], 196, 6),
        (["protocol=paddle"], 196, 0),
    ],
)
def test_shared_trials_are_counted_once(overrides, search, refits):
    counted = trials(benchmark(*overrides))
    assert (counted.search, counted.refits) == (search, refits)


def test_a_trial_takes_its_steps_and_its_measurements():
    speed = Speed("cpu", "float32", 1, train=0.1, evaluate=0.01, memory=1, free=2)
    recipe = benchmark("recipe=quick20").recipe  # 20 epochs of batch 32
    images = CountsConfig(train=100, val=50, test=30)
    search, refit = seconds_of(speed, recipe, images, paddle=False)
    assert search == pytest.approx(20 * (3 * 32 * 0.1 + 50 * 0.01))
    assert refit == pytest.approx(20 * 4 * 32 * 0.1 + 30 * 0.01)
    alone, nothing = seconds_of(speed, recipe, images, paddle=True)
    assert (alone, nothing) == (pytest.approx(20 * (4 * 32 * 0.1 + 30 * 0.01)), 0)


def test_the_quickstart_from_real_steps(capsys, monkeypatch, elsewhere):
    monkeypatch.setattr("sys.argv", ["plan", str(ROOT / "quickstart"), "machine.threads=1"])
    plan.main()
    out = capsys.readouterr().out
    assert "fixed 1, grid 12, bayes 6; 12 to train" in out
    assert re.search(r"^digits +320 .* CC BY 4.0$", out, re.MULTILINE)
    assert "weights of resnet50_vd_random: random start\n" in out
    assert "images/s trained" in out
    assert out.rstrip().splitlines()[-1].startswith("time on this machine")
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "counted", "trained", "places"),
    [
        ("dataset=dtd", "datasets 1 x models 2 x strategies 3", "12 to train", 2),
        ("model=resnet50_vd_ssld", "datasets 2 x models 1 x strategies 3", "12 to train", 2),
        ("strategy=bayes", "datasets 2 x models 2 x strategies 1", "bayes 6; 6 to train", 4),
    ],
)
def test_one_name_of_a_group_is_all_that_is_planned(
    given, counted, trained, places, capsys, monkeypatch, elsewhere
):
    speed = Speed("cpu", "float32", 1, train=0.1, evaluate=0.01, memory=1, free=2)
    monkeypatch.setattr("pipeline.planning.timing.measure", lambda cfg: speed)
    lists = ["datasets=[digits,dtd]", "models=[resnet50_vd,resnet50_vd_random]"]
    plan.plan(ROOT / "quickstart", [*lists, given])
    out = capsys.readouterr().out
    assert counted in out
    assert trained in out
    timed = [line for line in out.splitlines() if " a trial, " in line]
    assert len(timed) == places
    named = given.partition("=")[2]
    published = "resnet50_vd: ImageNet-1k, by PaddleClas; top-1 79.12 % on ImageNet; to download"
    assert ("model" not in given) == (published in out)
    assert "strategy" in given or all(named in line for line in timed)


def test_a_disk_and_a_memory_that_will_not_do_are_said(capsys, elsewhere):
    overrides = [
        "dataset=dtd",
        "dataset.counts.test=900000000",
        "dataset.store_side=256",
        "machine.threads=1",
    ]
    small = ["recipe=quickstart", "recipe.batch_size=1000000"]
    plan.plan(ROOT / "quickstart", [*overrides, *small])
    warned = capsys.readouterr().err
    assert "the disk will not do" in warned
    assert "memory will not do" in warned
    assert "recipe.micro_batch" in warned


def test_own_images_before_there_is_a_project(capsys, monkeypatch, tmp_path, elsewhere):
    for number in range(2):
        folder = tmp_path / "my, images" / f"class={number}"
        folder.mkdir(parents=True)
        for image in range(10):
            (folder / f"{image}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    monkeypatch.setattr("sys.argv", ["plan", "my, images", "recipe=quickstart"])
    plan.main()
    out = capsys.readouterr().out
    assert "my_images" in out
    assert "20 images" in out
    assert not (tmp_path / "projects").exists()


def test_a_folder_that_is_not_there_is_one_message(monkeypatch):
    monkeypatch.setattr("sys.argv", ["plan", "no/such/folder"])
    with pytest.raises(UserError, match="no such folder"):
        plan.main()


def test_the_first_lines_need_no_torch():
    code = "import sys, pipeline.plan; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def test_the_sub_pipelines_parameters_hold_what_their_stages_read():
    for folder in ("paddle_protocol", "large_scale"):
        compose(ROOT / folder)
    ours = yaml.safe_load((ROOT / "params.yaml").read_text())
    paddle = yaml.safe_load((ROOT / "paddle_protocol" / "params.yaml").read_text())
    for key in ("datasets", "models", "strategies", "space", "lr", "l2_decay", "search", "seed"):
        assert paddle[key] == ours[key]
