"""Trials that are told to stop, hang, run out of memory, come twice at once or lie damaged."""

import signal
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import torch

from pipeline.trials import run as journalled
from tests.faults import inside
from tests.faults.conftest import Tally
from tests.faults.forks import Forks
from tests.faults.simulated import (
    SimulatedProject,
    require_survived,
    undisturbed,
    undisturbed_here,
    until_training,
)
from tests.support.small_project import KEY, SmallProject


def test_sigterm_leaves_a_checkpoint_to_go_on_from(
    forks: Forks, project: SmallProject, tally: Tally
) -> None:
    project.set(recipe={"epochs": 30, "batch_size": 16})
    expected = undisturbed(forks, project, "fixed")
    sweep = forks.start(project, "strategy=fixed", **{inside.FAULT: "wait"})
    until_training(sweep, project)
    sweep.kill(signal.SIGTERM)
    (project.folder / inside.GATE).touch()
    tally.injected()
    assert sweep.wait() == 130, sweep.output()
    assert "run the same command to go on" in sweep.output()
    (checkpoint,) = (project.folder / "runs").glob("*/checkpoint.ckpt")
    assert torch.load(checkpoint, weights_only=True)["global_step"] > 0
    (stopped,) = [run for run in project.trained() if run.info.status == "KILLED"]

    forks.run(project, "strategy=fixed")
    require_survived(project, "fixed", expected)
    experiment = stopped.info.experiment_id
    (finished,) = [
        run
        for run in project.trained()
        if run.info.status == "FINISHED" and run.info.experiment_id == experiment
    ]
    before, after = (
        [point.step for point in project.client.get_metric_history(run.info.run_id, "val/top1")]
        for run in (stopped, finished)
    )
    assert before + after == list(range(1, 31))


def test_a_trial_that_hangs_fails_and_the_others_do_not(
    forks: Forks, small: SimulatedProject, tally: Tally
) -> None:
    expected = undisturbed(forks, small, "grid")
    limited = ("strategy=grid", "tune.max_trial_seconds=10")
    sweep = forks.start(small, *limited, **{inside.FAULT: "hang"})
    tally.injected(2)
    assert sweep.wait() == 2
    reason = "TrialTooLongError: longer than tune.max_trial_seconds (10 s)"
    lines = [each for each in sweep.output().splitlines() if each.startswith("trial ")]
    assert sum(each.endswith(f": {reason}") for each in lines) == 2
    statuses = [run.info.status for run in small.trained()]
    assert sorted(statuses) == ["FAILED", "FAILED", "FINISHED", "FINISHED"]
    forks.run(small, *limited)
    require_survived(small, "grid", expected)


@pytest.mark.skipif(not inside.memory_can_be_limited(), reason="needs memory cgroups and root")
def test_out_of_memory_twice_is_a_failure_that_stops_no_other_trial(
    forks: Forks, small: SimulatedProject, tally: Tally
) -> None:
    expected = undisturbed(forks, small, "grid")
    space = ("strategy=grid", "space.mixup=[false]")
    expected_half = undisturbed(forks, small, "grid", "space.mixup=[false]")
    for _ in range(2):
        sweep = forks.start(small, *space, **{inside.FAULT: "hoard"})
        assert sweep.wait() == -signal.SIGKILL, sweep.output()
        tally.injected()
    sweep = forks.start(small, *space, **{inside.FAULT: "hoard"})
    assert sweep.wait() == 2, sweep.output()
    assert "ran out of memory, crashed or hung 2 times" in sweep.output()
    forks.run(small, *space)
    require_survived(small, "grid", expected_half)
    forks.run(small, "strategy=grid")
    require_survived(small, "grid", expected)


def test_two_sweeps_of_a_cell_at_once_are_one(
    forks: Forks, small: SimulatedProject, tally: Tally
) -> None:
    expected = undisturbed(forks, small, "grid")
    first = forks.start(small, "strategy=grid", **{inside.FAULT: "wait"})
    first.until_trials(2)
    second = forks.start(small, "strategy=grid")
    second.until_printed("under way in another process")
    tally.injected()
    (small.folder / inside.GATE).touch()
    assert [first.wait(), second.wait()] == [0, 0]
    assert "under way in another process" in second.output()
    assert second.output().count("  replayed  ") == len(small.parents()) * 4 == 4
    require_survived(small, "grid", expected)


@pytest.mark.parametrize("damage", ["cut", "gone", "noise"])
def test_a_damaged_result_is_not_taken_for_a_good_one(
    small: SimulatedProject, tally: Tally, damage: str
) -> None:
    expected = undisturbed_here(small, "grid")
    small.tune("strategy=grid")
    victim = small.trained()[1].info
    path = Path(unquote(urlsplit(victim.artifact_uri).path)) / "result.json"
    data = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else b"\xff" * len(data))
    tally.injected()
    small.tune("strategy=grid")
    require_survived(small, "grid", expected)
    assert small.client.get_run(victim.run_id).info.status == "FAILED"


def test_a_result_that_could_not_be_recorded_is_recorded_later(
    small: SimulatedProject, tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process was killed between the end of training and the journal."""
    expected = undisturbed_here(small, "grid")
    small.tune("strategy=grid")
    whole, damaged, *_ = small.trained()
    for run, size in ((whole, None), (damaged, 100)):
        kept = small.folder / "runs" / run.data.tags[KEY] / "result.json"
        kept.parent.mkdir()
        kept.write_bytes(small.artifact(run, "result.json").encode()[:size])
        small.client.delete_run(run.info.run_id)
        tally.injected()
    simulated = []
    simulate = journalled.simulate

    def counted(cfg: object, *rest: object) -> object:
        simulated.append(cfg)
        return simulate(cfg, *rest)

    monkeypatch.setattr(journalled, "simulate", counted)
    small.tune("strategy=grid")
    require_survived(small, "grid", expected)
    assert len(simulated) == 1
