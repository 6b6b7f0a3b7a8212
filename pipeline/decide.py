"""Add refit seeds where a comparison of strategies is undecided (evaluate.seeds: auto).

Reads what evaluate wrote for the strategies of one dataset and model. After each planned look the
points of undecided comparisons are refitted with more seeds, up to ``evaluate.budget``. Writes to
results/.decided/DATASET/MODEL: looks.json, the added openings of the test split in openings.csv,
and for each strategy with added seeds more_seeds.json, final_runs.csv and predictions.parquet. With
a list of seeds nothing is added. The seeds of a look are added only if all fit search.max_hours.
Run: python -m pipeline.decide dataset=digits --config-path quickstart
"""

import functools
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hydra_skopt_sweeper.errors import StopSweep

from pipeline.base.files import write_json
from pipeline.base.paired_comparison import worth_more_seeds
from pipeline.base.text import count
from pipeline.reporting.comparisons import PAIRS, difference
from pipeline.reporting.results import Cell, CellName, read_results
from pipeline.settings.accelerators import take_own_device
from pipeline.settings.command_line import stage
from pipeline.settings.folders import decided_dir, sweep_dir
from pipeline.settings.schema import Config, StrategyConfig
from pipeline.trials.contract import Outcome
from pipeline.trials.more_seeds import MORE_SEEDS, MoreSeeds

if TYPE_CHECKING:
    from pipeline.trials.journal import Journal  # imports mlflow


def decide(cfg: Config) -> None:
    """Add seeds to the cells of a dataset and model until no comparison needs more.

    Raises UserError when data or weights are missing or have changed, or a refit fails.
    """
    folder = decided_dir(Path(cfg.root), cfg.dataset.name, cfg.model.name)
    for strategy in cfg.strategies:
        shutil.rmtree(folder / strategy, ignore_errors=True)
    looks = cfg.evaluate.looks if cfg.protocol.name == "heldout" else []
    if looks[1:] and (wanted := _undecided(cfg)):
        with _counting(cfg):
            for seeds in looks[1:]:
                if not wanted or not _added(cfg, wanted, range(looks[0], seeds), folder):
                    break
                wanted = _undecided(cfg)
    reached = {
        cell.name.strategy: len(cell.final.seeds) for cell in _cells(cfg) if cell.final is not None
    }
    write_json(folder / "looks.json", {"looks": looks, "seeds": reached})
    shown = ", ".join(f"{strategy} {number}" for strategy, number in reached.items())
    print(f"{cfg.dataset.name}-{cfg.model.name}: seeds of the refits: {shown or 'none'}")


def _searched(cfg: Config, strategy: str) -> Config:
    return cfg.model_copy(update={"strategy": StrategyConfig.model_validate({"name": strategy})})


@contextmanager
def _counting(cfg: Config) -> Iterator[None]:
    """Count the time of the block for the searches of all strategies."""
    from pipeline.trials.clock import counting_on  # imports torch

    with ExitStack() as clocks:
        for strategy in cfg.strategies:
            searched = _searched(cfg, strategy)
            clocks.enter_context(counting_on(searched, sweep_dir(searched)))
        yield


def _added(cfg: Config, cells: Sequence[Cell], seeds: Sequence[int], folder: Path) -> bool:
    """Refit the points of the cells with more seeds; return False if the hours are too few.

    Results are written once every cell has all its refits, so that the seeds stay in pairs.
    """
    from pipeline.trials import refits
    from pipeline.trials.clock import require_refit_time
    from pipeline.trials.journal import Journal

    take_own_device(cfg.machine)
    journal = Journal.open(cfg.project, cfg.title)
    chosen = [(cell, _at_point(cfg, cell)) for cell in cells]
    missing = set().union(*(refits.missing(point, seeds, journal) for _, point in chosen))
    rows = [row for cell in cells for row in cell.final_runs]
    timed = sorted((row.finished, row.seconds) for row in rows if row.finished and row.seconds)
    seconds = [each for _, each in timed]

    @functools.cache  # once it has passed, the whole look is made
    def require_time() -> None:
        for strategy in cfg.strategies:
            searched = _searched(cfg, strategy)
            require_refit_time(searched, sweep_dir(searched), seconds, len(missing))

    try:
        made = [_refitted(point, cell, seeds, journal, require_time) for cell, point in chosen]
    except StopSweep as over:
        print(f"{count(len(missing), 'more refit')} left out: {over}", flush=True)
        return False
    for (cell, point), outcomes in zip(chosen, made, strict=True):
        _write_seeds(point, cell, outcomes, journal, folder / cell.name.strategy)
    return True


def _at_point(cfg: Config, cell: Cell) -> Config:
    """Return the configuration of a cell's refits."""
    return _searched(cfg, cell.name.strategy).model_copy(update=cell.best.point.model_dump())


def _cells(cfg: Config) -> list[Cell]:
    names = [CellName(cfg.dataset.name, cfg.model.name, each) for each in cfg.strategies]
    return read_results(Path(cfg.root), names).cells


def _undecided(cfg: Config) -> list[Cell]:
    """Return the cells of the comparisons that more seeds may decide."""
    cells = {cell.name.strategy: cell for cell in _cells(cfg)}
    rows = len(cfg.datasets) * len(cfg.models)
    wanted: set[str] = set()
    for pair in PAIRS:
        measured = difference(*(cells.get(strategy) for strategy in pair))
        if measured is None or measured.comparison is None or measured.same_point:
            continue
        if worth_more_seeds(measured.comparison, rows, cfg.evaluate.budget):
            wanted |= set(pair)
    return [cell for strategy, cell in cells.items() if strategy in wanted]


def _refitted(
    cfg: Config,
    cell: Cell,
    seeds: Sequence[int],
    journal: "Journal",
    require_time: Callable[[], None],
) -> dict[int, Outcome]:
    """Refit a cell's point with more seeds.

    ``require_time`` is called before a refit that is not replayed; what it raises is passed on.
    """
    from pipeline.trials import refits
    from pipeline.trials.resources import find_resources

    environment = find_resources(cfg).environment
    refits.require_same(cfg, cell.folder / "best.yaml", cell.best, environment)
    return {seed: refits.refit(cfg, seed, journal, require_time) for seed in seeds}


def _write_seeds(
    cfg: Config, cell: Cell, outcomes: Mapping[int, Outcome], journal: "Journal", folder: Path
) -> None:
    """Measure the refits of more seeds, and write their results."""
    from pipeline.deployment.tested import figures, recorded_logits, write_predictions
    from pipeline.trials import refits
    from pipeline.trials.openings import add_openings
    from pipeline.trials.resources import find_resources

    assert cell.final is not None
    manifest = find_resources(cfg).manifest
    logits = {seed: recorded_logits(journal, each.run_id) for seed, each in outcomes.items()}
    results = [figures(manifest, each) for each in logits.values()]
    more = MoreSeeds.model_validate(
        refits.per_seed(outcomes, results, manifest) | {"follows": cell.final.keys[0]}
    )
    temperature = cell.best.temperature or 1.0
    write_predictions(manifest, logits, temperature, folder / "predictions.parquet")
    refits.write_runs(folder, outcomes, journal)
    write_json(folder / MORE_SEEDS, more.model_dump(mode="json", by_alias=True))
    opened = refits.opening_rows(cfg.project, cell.best, zip(more.keys, more.seeds, strict=True))
    add_openings(Path(cfg.root), folder.parent, opened)


if __name__ == "__main__":
    stage(decide, __doc__ or "")
