"""The sweeper through Hydra's front door."""

import logging
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException
from hydra_skopt_sweeper import timing
from hydra_skopt_sweeper.errors import StopSweep, SweepError
from omegaconf import DictConfig
from sweeping import APP, Sweep, read_results, read_rows, timeless


def accuracy(cfg: DictConfig) -> float:
    """Best at lr=0.01, decay=0.0001, mixup=true."""
    near = (math.log10(cfg.lr) + 2) ** 2 + (math.log10(cfg.decay) + 4) ** 2
    return 0.9 - 0.02 * near + 0.01 * cfg.mixup


def test_a_sweep_leaves_its_table_its_result_and_its_configuration(
    sweep: Sweep, tmp_path: Path
) -> None:
    with sweep(accuracy) as ran:
        rows = read_rows(tmp_path / "sweep")
        results = read_results(tmp_path / "sweep")
        multirun = yaml.safe_load((tmp_path / "sweep/multirun.yaml").read_text())
        folders = {f.name for f in (tmp_path / "sweep").iterdir() if f.is_dir()}
    assert [row["trial"] for row in rows] == [row["job"] for row in rows] == list("012345678")
    assert folders == {row["dir"] for row in rows} == set("012345678")
    assert len({(row["lr"], row["decay"], row["mixup"]) for row in rows}) == 9
    assert (rows[0]["lr"], rows[0]["decay"], rows[0]["mixup"]) == ("0.003", "0.0001", "False")
    assert [row["kind"] for row in rows] == ["initial"] * 4 + ["model"] * 5
    assert all((row["predicted_std"] != "") == (row["kind"] == "model") for row in rows)
    best = max(rows, key=lambda row: float(row["objective"]))
    assert all(float(row["seconds"]) >= 0 for row in rows)
    assert results["best_value"] == float(best["objective"])
    assert (str(results["best_job"]), results["best_dir"]) == (best["job"], best["dir"])
    assert results["stop_reason"] == "9 trials made"
    assert multirun["hydra"]["sweeper"]["n_trials"] == 9
    assert [len(batch) for batch in ran.returns or []] == [1] * 9


def test_the_command_line_wins_over_the_params(sweep: Sweep, tmp_path: Path) -> None:
    options = ["hydra.sweeper.initial_points=[]", "hydra.sweeper.n_trials=2", "++width=null,'a b'"]
    with sweep(accuracy, "lr=0.03", "decay=0.001,0.0001", *options):
        rows = read_rows(tmp_path / "sweep")
        hydra = [tmp_path / f"sweep/{i}/.hydra" for i in "01"]
        given = [yaml.safe_load((f / "overrides.yaml").read_text()) for f in hydra]
        widths = [yaml.safe_load((f / "config.yaml").read_text())["width"] for f in hydra]
    assert "lr" not in rows[0]
    assert all("lr=0.03" in overrides for overrides in given)
    assert [row["width"] for row in rows] == ["null" if w is None else "'a b'" for w in widths]


def test_each_trial_has_its_own_seconds(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["hydra.sweeper.batch_size=2", "hydra.sweeper.n_trials=2", "lr=0.1", "decay=0.001"]

    clock = [0.0]
    monkeypatch.setattr(timing, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    def task(cfg: DictConfig) -> float:
        clock[0] += 3.0 if cfg.mixup else 2.0
        return 0.5

    with sweep(task, *options, "hydra.sweeper.initial_points=[]"):
        taken = {row["mixup"]: float(row["seconds"]) for row in read_rows(tmp_path / "sweep")}
        left = [path.name for path in (tmp_path / "sweep/0").iterdir()]
    assert taken == {"True": 3.0, "False": 2.0}
    assert ".seconds" not in left


def test_a_callback_sees_the_programs_own_task_function(sweep: Sweep, tmp_path: Path) -> None:
    logs = "+hydra.callbacks.seen={_target_: callbacks.WritesTheTasksType}"
    with sweep(accuracy, logs, "hydra.sweeper.n_trials=1"):
        assert (tmp_path / "sweep/0/task.txt").read_text() == "SweepTaskFunction"


def test_the_best_overrides_can_be_pasted_back(sweep: Sweep, tmp_path: Path) -> None:
    fixed = ["lr=0.1", "decay=0.001", "mixup=true", "hydra.sweeper.initial_points=[]"]
    with sweep(lambda cfg: len(cfg.name), "+name='a b','c, d e'", *fixed):
        best = read_results(tmp_path / "sweep")["best_overrides"]
    with initialize_config_dir(str(APP.parent), version_base="1.3"):
        cfg = compose("app", overrides=best)
    assert (cfg.name, cfg.lr, cfg.mixup) == ("c, d e", 0.1, True)


def test_params_may_come_from_the_command_line(sweep: Sweep, tmp_path: Path) -> None:
    space = "++hydra.sweeper.params={lr: 'choice(0.1, 0.01)', decay: 1e-4, mixup: 'true'}"
    with sweep(accuracy, space, "hydra.sweeper.initial_points=[]"):
        results = read_results(tmp_path / "sweep")
    assert results["best_params"] == {"lr": 0.01}
    assert results["stop_reason"] == "all 2 points evaluated"


def test_a_glob_sweeps_the_files_of_a_group(sweep: Sweep, tmp_path: Path) -> None:
    fixed = ["lr=0.1", "decay=0.001", "mixup=true", "hydra.sweeper.initial_points=[]"]
    with sweep(lambda cfg: cfg.model.width, "+model=glob(*)", *fixed):
        results = read_results(tmp_path / "sweep")
    assert (results["best_params"], results["best_value"]) == ({"model": "large"}, 64.0)


@pytest.mark.slow
def test_processes_get_the_proposals_of_a_serial_sweep(sweep: Sweep, tmp_path: Path) -> None:
    options = ["hydra.sweeper.batch_size=3", "hydra.sweeper.n_trials=8"]
    with sweep(accuracy, *options):
        serial = timeless(read_rows(tmp_path / "sweep"))
    with sweep(accuracy, *options, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2") as ran:
        assert timeless(read_rows(tmp_path / "sweep")) == serial
    assert len({(row["lr"], row["decay"], row["mixup"]) for row in serial}) == 8
    assert [len(batch) for batch in ran.returns or []] == [3, 3, 2]


def test_a_job_that_raises_is_a_failed_trial(sweep: Sweep, tmp_path: Path) -> None:
    def task(cfg: DictConfig) -> float:
        if cfg.mixup:
            raise RuntimeError("out of memory")
        return accuracy(cfg)

    options = ["lr=0.1", "decay=0.001", "hydra.sweeper.initial_points=[]"]
    with pytest.raises(SweepError, match=r"1 of 2 trials failed \(all 2 points evaluated\)"):
        sweep(task, *options).__enter__()
    [failed] = [row for row in read_rows(tmp_path / "sweep") if row["status"] == "failed"]
    assert failed["mixup"] == "True"
    why = (tmp_path / "sweep" / failed["dir"] / "error.txt").read_text()
    assert "out of memory" in why
    assert "test_sweeper.py" in why


@pytest.mark.parametrize("option", ["hydra.sweeper.trials=3", "hydra.sweeper.n_trials=many"])
def test_unknown_options_and_types_are_hydras_error(sweep: Sweep, option: str) -> None:
    with pytest.raises(ConfigCompositionException, match="sweeper"):
        sweep(accuracy, option).__enter__()


def test_a_batch_that_cannot_be_composed_is_not_launched(sweep: Sweep) -> None:
    options = ["hydra.sweeper.initial_points=[]", "nowhere=1,2"]
    with pytest.raises(ConfigCompositionException, match="nowhere"):
        sweep(lambda _: pytest.fail("a job ran"), *options).__enter__()


@pytest.mark.parametrize("stop_in", ["0", "2"])
def test_a_job_that_stops_the_sweep_is_no_trial(sweep: Sweep, tmp_path: Path, stop_in: str) -> None:
    def until(cfg: DictConfig) -> float:
        if str(HydraConfig.get().job.num) == stop_in:
            raise StopSweep("time is over")
        return accuracy(cfg)

    with sweep(until):
        rows = read_rows(tmp_path / "sweep")
        results = read_results(tmp_path / "sweep")
    assert [row["status"] for row in rows] == ["finished"] * int(stop_in)
    assert (results["stop_reason"], results["n_failed"]) == ("time is over", 0)


def test_each_trial_has_one_message(sweep: Sweep, caplog: pytest.LogCaptureFixture) -> None:
    # Hydra takes the root logger's handlers away, and with them caplog's.
    logging.getLogger("hydra_skopt_sweeper").addHandler(caplog.handler)
    with sweep(accuracy, "hydra.sweeper.n_trials=2", "lr=0.01", "decay=0.001"):
        pass
    logging.getLogger("hydra_skopt_sweeper").removeHandler(caplog.handler)
    first, *_ = [
        r.getMessage() for r in caplog.records if r.getMessage().startswith("trial 0  1/2")
    ]
    assert first.startswith("trial 0  1/2  mixup=False -> 0.88 (best 0.88 in trial 0) ")
    assert first.endswith(" s")
