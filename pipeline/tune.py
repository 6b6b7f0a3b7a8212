"""Search hyperparameters: of your own images to report and model, or of one cell as a stage.

    vdtransfer tune IMAGES [--hours 2]    makes a project of a folder (vdtransfer init) and runs it
    python -m pipeline.tune dataset=digits strategy=grid --config-path quickstart        the stage

An argument without '=', or one that exists, is a path to images; the others are overrides. The
stage searches one cell on train and validation. Finished trials are replayed from the MLflow
journal, so an interrupted sweep continues where it stopped. Writes trials.csv, curves.csv, runs.csv
and best.yaml under results/.
"""

import argparse
import logging
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import hydra
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pipeline.base.errors import UserError
from pipeline.base.text import gist, some
from pipeline.planning.input_size import require_network
from pipeline.planning.pace import progress
from pipeline.projects import making
from pipeline.projects.options import add_options
from pipeline.settings.accelerators import take_own_device
from pipeline.settings.command_line import banner, guarded, parser, show_log
from pipeline.settings.compose import compose, compose_for_sweep, hydra_overrides
from pipeline.settings.folders import CONFIG_NAME, PROGRAM
from pipeline.settings.machine import beyond_this_machine, threads
from pipeline.trials.interruptions import interrupt, left_to_slurm

_QUIET = ("hydra/hydra_logging=quiet", "hydra/job_logging=none")
_LOGS = {
    "ray": "/tmp/ray/session_latest/logs of the machine that ran it",
    "submitit": "{folder}/.submitit",
}
"""Where the launchers that start processes of their own keep what those printed."""


def main() -> None:
    both = parser(__doc__ or "", "PATH|KEY=VALUE")
    add_options(both)
    both.add_argument("-v", "--verbose", action="store_true", help="show Hydra's own lines, too")
    arguments = both.parse_args()
    images = [each for each in arguments.overrides if "=" not in each or Path(each).exists()]
    if images:
        _own_images(images, arguments)
        return
    for option in ("name", "model", "strategies", "hours"):
        if getattr(arguments, option) is not None:
            raise UserError(f"--{option} is for a project of your own images: give their folder")
    if not arguments.verbose:  # then Hydra shows it
        show_log()
    signal.signal(signal.SIGTERM, interrupt)
    tune(arguments.config_path, arguments.overrides, verbose=arguments.verbose)


def _own_images(images: Sequence[str], given: argparse.Namespace) -> None:
    if len(images) > 1:
        raise UserError(f"found {images[0]} and {images[1]}: give one folder of images")
    if given.verbose or given.config_path != Path():
        raise UserError("--verbose and --config-path are for a cell, not for a folder of images")
    settings = [each for each in given.overrides if each not in images]
    making.run(
        making.make(images[0], given.name, given.model, given.strategies, given.hours, settings)
    )


def tune(config_dir: Path, overrides: Sequence[str], *, verbose: bool = False) -> None:
    """Run the sweep of a cell and export its tables.

    Raises UserError for bad input, before any trial, and when more trials failed than
    ``tune.allowed_failures``. ``verbose`` shows Hydra's own lines, too.
    """
    cfg, launcher = compose_for_sweep(config_dir, overrides, require_network)
    print(banner("tune", cfg), flush=True)
    if line := progress(cfg):
        print(line, flush=True)
    _warn(beyond_this_machine(cfg.machine.threads))
    if cfg.machine.threads == 0:  # the jobs may run on other machines and must agree
        overrides = [*overrides, f"machine.threads={threads()}"]
        cfg = compose(config_dir, overrides)
    from pipeline.trials import sweep  # torch, mlflow: once the configuration is known to be good
    from pipeline.trials.lines import trial_name

    if launcher == "basic":  # the jobs run in this process
        take_own_device(cfg.machine)
    with sweep.opened(cfg) as parent:
        _warn(parent.resources.doubts(cfg))
        here = parent.resources.environment
        decided = [f"machine.device={here.device}", f"machine.precision={here.precision}"]
        quiet = () if verbose else _QUIET
        shutil.rmtree(parent.folder, ignore_errors=True)
        os.environ[sweep.PARENT] = parent.run_id
        try:
            with _explained(parent.folder):
                _multirun(config_dir.resolve(), [*overrides, *decided, *quiet])
        except Exception:
            parent.require_not_stopped()  # the cause, before what a launcher made of it
            raise
        parent.require_whole()
        trials = parent.trials()
        failed = [trial for trial in trials if trial.status == "failed"]
        if len(failed) > cfg.tune.allowed_failures:
            raise UserError(
                f"{len(failed)} of {len(trials)} trials failed (tune.allowed_failures is "
                f"{cfg.tune.allowed_failures}): "
                + some([f"{trial_name(each.number)}: {each.error}" for each in failed], 3)
                + f". The traceback is error.txt of its run ({PROGRAM} ui). The finished ones are "
                "kept; fix the cause and run the same command again"
            )
        parent.export(trials)


def _warn(doubts: Sequence[str]) -> None:
    for doubt in doubts:
        print(f"warning: {doubt}", file=sys.stderr)


def _multirun(config_dir: Path, overrides: Sequence[str]) -> None:
    """Hand the sweep to Hydra, whose front door reads the arguments of the process.

    A sweeper would compose each job to check its batch, and the launcher composes it again. That
    check is left out: the same files have been composed, and the schema knows the space.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else it prints a traceback and exits
    main = hydra.main(version_base="1.3", config_path=str(config_dir), config_name=CONFIG_NAME)
    given, sys.argv = sys.argv, ["pipeline.tune", *hydra_overrides(config_dir, overrides)]
    check = Sweeper.validate_batch_is_legal
    Sweeper.validate_batch_is_legal = lambda *_: None  # type: ignore[method-assign]
    try:
        main(_job)()
    finally:
        sys.argv, Sweeper.validate_batch_is_legal = given, check  # type: ignore[method-assign]
        logging.getLogger("hydra_skopt_sweeper").setLevel(logging.NOTSET)  # as before Hydra


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Raise UserError where the sweeper or a launcher gives up; pass on what a job raises.

    ``folder`` is that of the sweep.
    """
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(" ".join(str(error).split())) from error
    except Exception as error:
        engine = type(error).__module__.partition(".")[0]
        if isinstance(error, BrokenProcessPool):
            what = f"a process of the launcher died, killed or out of memory: {gist(error)}"
        elif engine in _LOGS:
            logs = _LOGS[engine].format(folder=folder)
            what = f"{engine} lost a job: {gist(error)}. Its log is under {logs}"
        else:
            raise
        kept = "The finished trials are kept; run the same command to go on"
        raise UserError(f"{what}. {kept}") from error


def _job(composed: DictConfig) -> float:
    """Run one trial, in the process that the launcher chose."""
    from pipeline.trials.sweep import job

    with left_to_slurm():
        return job(composed)


if __name__ == "__main__":
    guarded(main)
