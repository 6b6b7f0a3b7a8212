"""Refits of the chosen point, the one look at the test split, and what is written of it."""

import json
import os
import re
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import timm
import yaml
from safetensors.numpy import load_file
from safetensors.torch import save_file

from pipeline.base.errors import UserError
from pipeline.base.statistics import t_interval
from pipeline.datasets.manifest import Manifest
from pipeline.evaluate import evaluate
from pipeline.settings import accelerators
from pipeline.settings.command_line import stage
from pipeline.training import devices


def final(project, strategy):
    return json.loads((project.cell(strategy) / "final.json").read_text())


def test_the_chosen_point_is_refitted_per_seed_and_measured_on_test(project):
    project.tune("strategy=fixed")
    before = len(project.trained())
    project.evaluate("strategy=fixed")
    recorded = final(project, "fixed")
    refits = project.trained()[before:]
    assert recorded["seeds"] == [0, 1]
    assert len(refits) == 2
    assert all(run.data.tags["purpose"] == "final" for run in refits)
    results = {run.data.params["seed"]: project.result(run) for run in refits}
    shown = {run.data.params["seed"]: run for run in refits}
    assert recorded["top1"] == [results[seed]["metrics"]["top1"] for seed in "01"]
    assert recorded["top1"] == [shown[seed].data.metrics["test/top1"] for seed in "01"]
    interval = t_interval(recorded["top1"])
    assert (recorded["top1_mean"], recorded["top1_low"], recorded["top1_high"]) == (
        interval.mean,
        interval.low,
        interval.high,
    )
    best = yaml.safe_load((project.cell("fixed") / "best.yaml").read_text())
    assert recorded["point"] == best["point"]
    assert recorded["images"] == {"train": 60, "val": 40, "test": 359}
    assert sum(map(sum, recorded["confusion"])) == 359
    assert sum(row["images"] for row in recorded["per_class"]) == 359
    assert [row["class"] for row in recorded["per_class"]] == recorded["classes"]
    assert recorded["replays"] is None
    manifest = Manifest.load(project.folder / "data" / "prepared" / "digits")
    labels, test = manifest.labels, manifest.rows(["test"])
    largest = np.bincount(labels[manifest.rows(["train", "val"])]).argmax()
    assert recorded["chance"] == 0.1
    assert recorded["majority_class"] == recorded["classes"][largest]
    assert recorded["majority"] == (labels[test] == largest).mean()
    opened = project.table("fixed", "openings")
    assert [row["key"] for row in opened] == sorted(recorded["keys"])
    assert {row["data_digest"] for row in opened} == {recorded["data_digest"]}

    predictions = pq.read_table(project.cell("fixed") / "predictions.parquet").to_pandas()
    assert predictions["seed"].unique().tolist() == recorded["seeds"]
    predictions = predictions[predictions["seed"] == recorded["seeds"][0]]
    manifest = Manifest.load(project.folder / "data" / "prepared" / "digits")
    rows = manifest.rows(["test"])
    assert predictions["label"].tolist() == manifest.labels[rows].tolist()
    right = (predictions["label"] == predictions["prediction"]).to_numpy()
    assert right.mean() == pytest.approx(recorded["top1"][0])
    assert predictions["probability"].between(0, 1).all()
    assert all(
        top[0] == first
        for top, first in zip(predictions["top5"], predictions["prediction"], strict=True)
    )

    model = json.loads((project.cell("fixed") / "model" / "model.json").read_text())
    weights = load_file(project.cell("fixed") / "model" / "model.safetensors")
    assert model["classes"] == recorded["classes"]
    assert len(weights["fc.weight"]) == 10
    assert all(np.isfinite(values).all() for values in weights.values())


def test_a_sweep_and_its_refits_take_one_accelerator_before_cuda_starts(project, monkeypatch):
    found = []

    def resolve(device):  # the first to ask for CUDA
        found.append(os.environ[accelerators.VISIBLE])
        return "cpu"

    monkeypatch.setattr(devices, "resolve_device", resolve)
    for command in (project.tune, project.evaluate):
        monkeypatch.setattr(accelerators, "_held", [])
        monkeypatch.setenv(accelerators.VISIBLE, "GPU-1,GPU-2")
        command("strategy=fixed", "machine.device=auto")
        assert set(found) in ({"GPU-1"}, {"GPU-2"})
        found.clear()


@pytest.mark.slow
def test_an_earlier_recipe_still_counts_as_an_opening_of_the_test_split(project, capsys):
    for epochs in (1, 2, 2):
        project.tune("strategy=fixed", f"recipe.epochs={epochs}")
        project.evaluate("strategy=fixed", f"recipe.epochs={epochs}")
    counted = re.findall(r"opened by (\d+) trainings so far", capsys.readouterr().out)
    assert counted == ["2", "4", "4"]


@pytest.mark.slow
def test_shares_of_the_training_images_give_a_learning_curve_on_validation(project):
    project.tune("strategy=fixed")
    before = len(project.trained())
    project.evaluate("strategy=fixed", "evaluate.train_shares=[0.5]", "evaluate.seeds=[0]")
    part, whole = final(project, "fixed")["learning_curve"]
    (row,) = project.table("fixed", "trials")
    assert whole == {"images": 60, "top1": float(row["top1"])}
    assert part["images"] == 30
    (trained,) = [r for r in project.trained()[before:] if r.data.tags["purpose"] != "final"]
    assert part["top1"] == project.result(trained)["metrics"]["top1"]
    assert "test/top1" not in trained.data.metrics
    assert len(project.table("fixed", "openings")) == 1


@pytest.mark.slow
def test_cells_that_chose_the_same_point_share_their_refits(project):
    project.set(
        space={"lr": [0.3], "l2_decay": [1e-4], "label_smoothing": [False], "mixup": [False]}
    )
    for strategy in ("fixed", "grid"):
        project.tune(f"strategy={strategy}")
        project.evaluate(f"strategy={strategy}")
    assert len(project.trained()) == 1 + 2
    fixed, grid = final(project, "fixed"), final(project, "grid")
    assert fixed["keys"] == grid["keys"]
    assert fixed["top1"] == grid["top1"]
    replayed = [row["replayed"] for row in project.table("grid", "final_runs")]
    assert replayed == ["true", "true"]
    assert grid["replays"]["gaps"]


def test_the_paddle_protocol_refits_nothing(project):
    project.tune("protocol=paddle")
    trained = len(project.trained())
    project.evaluate("protocol=paddle", "machine.threads=2")
    assert len(project.trained()) == trained
    (row,) = project.table("fixed", "trials")
    recorded = final(project, "fixed")
    assert [each["key"] for each in project.table("fixed", "openings")] == [row["key"]]
    assert recorded["protocol"] == "paddle"
    assert recorded["top1"] == [float(row["top1"])]
    assert not (project.cell("fixed") / "model").exists()


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["tune", "evaluate"])
def test_a_stage_names_the_weights_it_loaded_once_and_without_prefix(project, stage):
    state = timm.create_model("test_resnet", num_classes=9).state_dict()
    save_file(state, project.folder / "nine.safetensors")
    project.set(model={"arch": "test_resnet", "weights": "nine.safetensors"})
    if stage == "evaluate":
        project.tune()
    done = project.run(stage)
    assert done.returncode == 0, done.stderr
    loaded = r"nine\.safetensors: .*; head replaced by a new one of 10 classes"
    assert re.fullmatch(loaded, done.stderr.strip()), done.stderr


def test_a_chosen_trial_that_left_the_journal_is_said_so(project):
    project.tune("protocol=paddle")
    path = project.cell("fixed") / "best.yaml"
    best = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(best | {"key": "0" * 64}))
    with pytest.raises(UserError, match="the chosen trial 000000000000 is not in the journal"):
        project.evaluate("protocol=paddle")


def test_evaluate_runs_once_whatever_the_strategy(project, monkeypatch, capsys):
    """A strategy sets hydra.mode: MULTIRUN, which must reach tune alone."""
    runs = []
    monkeypatch.setattr(sys, "argv", ["evaluate", "strategy=grid"])
    stage(runs.append, "Evaluate.")
    assert [cfg.strategy.name for cfg in runs] == ["grid"]

    with pytest.raises(SystemExit) as left:
        stage(evaluate, "Evaluate.")
    assert left.value.code == 2
    recorded = capsys.readouterr().err
    assert recorded.count("error: ") == 1
    assert "best.yaml: no such file; the cell is not tuned" in recorded
    assert "dvc repro tune@digits-resnet50_vd_random-grid" in recorded
    assert not (project.folder / "results").exists()


def test_other_data_than_the_searched_is_refused(project):
    project.tune("strategy=fixed")
    best = project.cell("fixed") / "best.yaml"
    best.write_text(best.read_text().replace("data_digest: ", "data_digest: f"))
    with pytest.raises(UserError, match=r"best\.yaml: data_digest is f.*Run tune again"):
        project.evaluate("strategy=fixed")
    assert not (project.cell("fixed") / "final.json").exists()


def test_a_refit_that_diverges_is_reported_and_leaves_nothing(project):
    project.tune("strategy=fixed")
    best = project.cell("fixed") / "best.yaml"
    best.write_text(best.read_text().replace("lr: 0.3", "lr: 1.0e+30"))
    with pytest.raises(UserError, match="the refit with seed 0 diverged"):
        project.evaluate("strategy=fixed")
    assert not (project.cell("fixed") / "final.json").exists()
    assert not (project.cell("fixed") / "model").exists()
