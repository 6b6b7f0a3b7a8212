"""Time the report, `dvc status` and a look-up in the journal on the whole benchmark.

    python benchmarks/scale.py FOLDER [--models 3] [--paddle] [--json PATH]

Unless FOLDER has it already, this makes the benchmark there with invented results (invented.py):
eight datasets with their official numbers of classes and images; the strategies fixed, grid (196
points) and bayes; 20 epochs a trial; refits, journal and DVC's lock. Making it takes some minutes,
measuring one minute.
"""

import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

from invented import MODELS, PADDLE, made
from pipeline.base.arguments import documented
from pipeline.base.files import write_json
from pipeline.trials.journal import KEY_TAG, Journal

LOOK_UPS = 200
STATUSES = 5
"""Number of runs of `dvc status`; the median run is reported."""
INTERVAL = 0.1
"""Seconds between samples of the memory of a process and its children."""


class Cost(NamedTuple):
    """The cost of a command and its child processes."""

    seconds: float
    processor_seconds: float
    """Processor time, which depends less on other processes than wall time does."""
    peak_bytes: int
    """Highest proportional set size (Linux)."""


def watched(*command: str) -> Cost:
    start, before = time.monotonic(), spent()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, held(process))
        time.sleep(INTERVAL)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return Cost(time.monotonic() - start, spent() - before, peak)


def spent() -> float:
    """Return the processor seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def held(process: psutil.Process) -> int:
    total = 0
    try:
        for each in [process, *process.children(recursive=True)]:
            total += each.memory_full_info().pss
    except psutil.NoSuchProcess:
        pass  # a process ended after it was listed
    return total


def look_ups(journals: Sequence[Journal]) -> tuple[list[float], list[float]]:
    """Return the seconds and processor seconds of each look-up of a random finished trial."""
    known = [
        (journal, run.data.tags[KEY_TAG])
        for journal in journals
        for run in journal.search("attributes.status = 'FINISHED'", "tags.purpose = 'search'")
        if KEY_TAG in run.data.tags
    ]
    seconds, processor = [], []
    for journal, key in random.Random(0).sample(known, LOOK_UPS):
        start, before = time.monotonic(), time.process_time()
        finished = journal.finished(journal.tries(key))
        seconds.append(time.monotonic() - start)
        processor.append(time.process_time() - before)
        assert finished is not None
        assert finished.result["curve"]
    return seconds, processor


def counts(journals: Sequence[Journal]) -> tuple[int, int]:
    """Return the number of all runs, and of runs that trained a trial of a search."""
    runs = [run for journal in journals for run in journal.search()]
    trained = [run for run in runs if KEY_TAG in run.data.tags]
    return len(runs), sum(run.data.tags["purpose"] == "search" for run in trained)


def reported(project: Path) -> dict[str, Any]:
    """Measure the report of a pipeline, and the size of its largest page."""
    place = ["--config-path", str(project)] if project != Path() else []
    cost = watched(sys.executable, "-m", "pipeline.report", *place)
    folder = project / "report"
    pages = [folder / "report.html", *folder.glob("datasets/*.html")]
    sizes = [page.stat().st_size for page in pages]
    return {**cost._asdict(), "pages": len(pages), "largest_page_bytes": max(sizes)}


def measured(paddle: bool) -> dict[str, Any]:
    """Measure everything on the benchmark in the working directory."""
    python = sys.executable
    projects = {"benchmark": Path()} | ({PADDLE: Path(PADDLE)} if paddle else {})
    journals = [Journal.open(name) for name in projects]
    runs, trials = counts(journals)
    reports = {name: reported(project) for name, project in projects.items()}
    if not Path(".dvc").exists():
        subprocess.run([python, "-m", "dvc", "init", "--no-scm", "--quiet"], check=True)
    files = [str(project / "dvc.yaml") for project in projects.values()]
    subprocess.run([python, "-m", "dvc", "commit", "-f", "-q", *files], check=True)
    status = sorted(watched(python, "-m", "dvc", "status") for _ in range(STATUSES))[STATUSES // 2]
    seconds, processor = look_ups(journals)
    return {
        "runs": runs,
        "search_trials": trials,
        "load": os.getloadavg()[0],
        "reports": reports,
        "dvc_status": status._asdict(),
        "look_up": {
            "count": LOOK_UPS,
            "median_seconds": float(np.median(seconds)),
            "slowest_seconds": max(seconds),
            "median_processor_seconds": float(np.median(processor)),
        },
    }


def described(figures: dict[str, Any]) -> str:
    look_up = figures["look_up"]

    def times(cost: dict[str, float]) -> str:
        return f"{cost['seconds']:.1f} s, {cost['processor_seconds']:.1f} s of processor time"

    return "\n".join(
        [
            f"journal     {figures['runs']:,} runs, {figures['search_trials']:,} trained to search",
            f"machine     {os.cpu_count()} cores, load {figures['load']:.1f}",
            *(
                f"report      {times(cost)}, peak {cost['peak_bytes'] / 1e6:.0f} MB, "
                f"{cost['pages']} pages, largest {cost['largest_page_bytes'] / 1e6:.1f} MB ({name})"
                for name, cost in figures["reports"].items()
            ),
            f"dvc status  {times(figures['dvc_status'])}",
            f"look-up     median {1000 * look_up['median_seconds']:.0f} ms, "
            f"{1000 * look_up['median_processor_seconds']:.0f} ms of processor time, "
            f"slowest of {look_up['count']} {1000 * look_up['slowest_seconds']:.0f} ms",
        ]
    )


def main() -> None:
    parser = documented(__doc__, json=True)
    parser.add_argument("folder", type=Path)
    models = range(1, len(MODELS) + 1)
    parser.add_argument("--models", type=int, default=1, choices=models, help="how many models")
    parser.add_argument("--paddle", action="store_true", help="also under PaddleClas's protocol")
    arguments = parser.parse_args()
    made(arguments.folder, arguments.models, arguments.paddle)
    with chdir(arguments.folder):
        figures = measured(arguments.paddle)
    print(described(figures))
    if arguments.json:
        write_json(arguments.json, figures)


if __name__ == "__main__":
    main()
