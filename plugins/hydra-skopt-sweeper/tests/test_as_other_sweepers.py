"""Behaviours that users of Hydra's Optuna, Ax and Nevergrad sweepers rely on.

What those plugins test of multi-objective studies, storages, samplers and conditional spaces does
not apply; the grammar of sweeps is in test_space.py, failures are in test_start.py.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import DictConfig
from sweeping import Sweep, read_results, read_rows

PLAIN = ["hydra.sweeper.initial_points=[]", "lr=0.1", "decay=0.001", "mixup=true"]
"""Takes the app's own space away."""


def test_a_program_without_a_space_of_its_own_sweeps_what_the_command_line_says(
    hydra_restore_singletons: None, hydra_sweep_runner: Any, tmp_path: Path
) -> None:
    runner = hydra_sweep_runner(
        calling_file=None,
        calling_module="hydra.test_utils.a_module",
        task_function=lambda cfg: cfg.bar / cfg.foo,
        config_path="configs",
        config_name="compose.yaml",
        overrides=[
            *("hydra/sweeper=skopt", "hydra/launcher=basic", "hydra.sweeper.n_trials=8"),
            *("hydra.sweeper.batch_size=3", "group1=file1,file2", "bar=range(1,5)"),
        ],
        temp_dir=tmp_path / "sweep",
    )
    with runner as ran:
        assert [len(batch) for batch in ran.returns] == [3, 3, 2]
        assert read_results(tmp_path / "sweep")["best_value"] == 1 / 20


def test_a_quadratic_is_minimised_within_the_bounds_of_the_command_line(
    sweep: Sweep, tmp_path: Path
) -> None:
    bounds = ["+x=interval(-5,5)", "+y=int(interval(-2,10))"]
    options = ["hydra.sweeper.direction=minimize", "hydra.sweeper.n_trials=20"]
    with sweep(lambda cfg: (cfg.x - 1) ** 2 + cfg.y**2, *bounds, *options, *PLAIN):
        results = read_results(tmp_path / "sweep")
    assert results["best_value"] < 0.1
    assert results["best_params"]["y"] == 0
    assert results["best_params"]["x"] == pytest.approx(1, abs=0.3)


def test_a_fixed_override_is_in_every_job_and_not_in_the_best_point(
    sweep: Sweep, tmp_path: Path
) -> None:
    with sweep(lambda cfg: cfg.x, "+x=1,2", *PLAIN):
        results = read_results(tmp_path / "sweep")
        jobs = [tmp_path / f"sweep/{job}/.hydra/overrides.yaml" for job in (0, 1)]
        assert all("lr=0.1" in yaml.safe_load(path.read_text()) for path in jobs)
    assert results["best_params"] == {"x": 2}


def test_a_parameter_of_the_configuration_can_be_deleted(sweep: Sweep, tmp_path: Path) -> None:
    space = "++hydra.sweeper.params={lr: '0.1,0.2'}"
    with sweep(lambda cfg: 1.0 + ("mixup" in cfg), "~mixup", space, *PLAIN[:1]):
        results = read_results(tmp_path / "sweep")
    assert (results["best_value"], list(results["best_params"])) == (1.0, ["lr", "decay"])


def test_each_job_has_the_folder_that_the_configuration_names(sweep: Sweep, tmp_path: Path) -> None:
    naming = ["hydra.sweep.subdir='${hydra.job.num}_${x}'", "hydra.job.chdir=true"]

    def task(cfg: DictConfig) -> float:
        Path("here.txt").touch()
        return float(cfg.x)

    with sweep(task, "+x=choice(4,5,6)", *naming, *PLAIN):
        rows = read_rows(tmp_path / "sweep")
        assert all((tmp_path / "sweep" / row["dir"] / "here.txt").exists() for row in rows)
    assert {row["dir"] for row in rows} == {f"{row['job']}_{row['x']}" for row in rows}
    assert all(row["seconds"] for row in rows)


def test_an_error_in_every_job_is_shown_and_named(sweep: Sweep, tmp_path: Path) -> None:
    def task(_: DictConfig) -> float:
        raise RuntimeError("no memory")

    with pytest.raises(Exception, match="3 of 3 trials failed"):
        sweep(task, "+x=choice(1,2,3,4)", *PLAIN).__enter__()
    assert {row["error"] for row in read_rows(tmp_path / "sweep")} == {"no memory"}
