"""The way of a new user with little time: folder, plan, a kill, model, example, changes."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress

import psutil
import pytest
import yaml

from tests.support import bare_environment
from tests.support.stages import copy_project, environment
from tests.support.waiting import SECONDS, until
from tests.test_project import digits

pytestmark = pytest.mark.slow


class Toy:
    """A checkout of its own, and a folder of three classes of digits."""

    def __init__(self, folder):
        self.copy, self.images = folder / "copy", digits(folder / "my digits")
        self.project = self.copy / "projects" / "toy"
        copy_project(self.copy, "params.yaml")
        self.environment = environment(self.copy) | {
            "VDTRANSFER_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
        }
        self.run("dvc", "init", "--no-scm", "-q")

    def command(self, *words):
        return [sys.executable, "-m", *map(str, words)]

    def run(self, *words):
        return subprocess.run(
            self.command(*words),
            cwd=self.copy,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def killed_after_a_trial(self, *words):
        """Run a command and kill it with all it started once a trial is recorded.

        Returns what it printed on its standard error.
        """
        log = self.copy / "killed.log"
        with (
            log.open("w") as errors,
            subprocess.Popen(
                self.command(*words),
                cwd=self.copy,
                env=self.environment,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            ) as process,
        ):
            until(lambda: process.poll() is not None or list(self.copy.rglob("trial.json")))
            with suppress(psutil.NoSuchProcess, ProcessLookupError):  # it was refused
                started = psutil.Process(process.pid).children(recursive=True)
                os.killpg(process.pid, signal.SIGKILL)
                # DVC takes a process that nobody has reaped for alive.
                _, alive = psutil.wait_procs(started, timeout=SECONDS)
                assert not alive, alive
        return log.read_text()


def least_hours(refusal):
    """The hours that a refused command asks for; None if it was not refused for its hours."""
    asked = re.search(r"Give at least --hours ([\d.]+)", refusal)
    return asked and float(asked[1])


def test_from_a_folder_to_a_model_within_hours(tmp_path):
    toy = Toy(tmp_path)
    tune = ("pipeline", "tune", toy.images, "--name", "toy", "--hours")
    refused = toy.run(*tune, "0.0001")
    assert refused.returncode == 2
    assert not toy.project.exists()
    least = least_hours(refused.stderr)
    while least:  # the machine may have become busier
        hours = max(0.05, 2 * least)
        least = least_hours(toy.killed_after_a_trial(*tune, hours))
    params = (toy.project / "params.yaml").read_bytes()
    values = yaml.safe_load(params)
    assert values["search"]["max_hours"] == hours
    assert values["models"] == ["resnet10t_random"]
    assert values["planned"]["model"].startswith("resnet10t_random: there is no accelerator")
    done = toy.run(*tune, hours)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (toy.project / "params.yaml").read_bytes() == params
    for line in (
        *("layout +a folder per class", "images +60", "classes +3: the smallest is"),
        *("splits +38 to train", "left out +nothing", "settings +projects/toy/params.yaml"),
    ):
        assert re.search(f"^{line}", done.stdout, re.MULTILINE), line
    [model] = (toy.project / "results").rglob("model.onnx")
    assert re.search(f"Model +{model.parent.relative_to(toy.copy)}\n", done.stdout)
    assert "search was chosen when" in (toy.project / "report" / "report.md").read_text()

    python = bare_environment.make(tmp_path / "bare", "onnxruntime", "numpy", "pillow")
    image = toy.images / "cl,as=s 0" / "0.png"
    answered = subprocess.run(
        [python, model.parent / "example.py", image],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r": 'cl,as=s [012]' [01]\.\d{4}$", answered.stdout.strip())

    image.unlink()
    shutil.rmtree(toy.images / "cl,as=s 1")
    without = toy.run(*tune, hours)
    assert without.returncode == 2
    assert "no image is left of 1 class of the last run: 'cl,as=s 1'" in without.stderr
    assert model.is_file()
