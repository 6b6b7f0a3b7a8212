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
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

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
from pipeline.trials.clock import counting_on, require_refit_time
from pipeline.trials.more_seeds import MORE_SEEDS, MoreSeeds


def decide(cfg: Config) -> None:
    """Add seeds to the cells of a dataset and model until no comparison needs more.

    Raises UserError when data or weights are missing or have changed, or a refit fails.
    """
    folder = decided_dir(Path(cfg.root), cfg.dataset.name, cfg.model.name)
    for strategy in cfg.strategies:
        shutil.rmtree(folder / strategy, ignore_errors=True)
    looks = cfg.evaluate.looks if cfg.protocol.name == "heldout" else []
    with ExitStack() as clocks:
        for strategy in cfg.strategies:
            searched = _searched(cfg, strategy)
            clocks.enter_context(counting_on(searched, sweep_dir(searched)))
        for seeds in looks[1:]:
            wanted = _undecided(cfg)
            if not wanted or not _added(cfg, wanted, range(looks[0], seeds), folder):
                break
    reached = {
        cell.name.strategy: len(cell.final.seeds) for cell in _cells(cfg) if cell.final is not None
    }
    write_json(folder / "looks.json", {"looks": looks, "seeds": reached})
    shown = ", ".join(f"{strategy} {number}" for strategy, number in reached.items())
    print(f"{cfg.dataset.name}-{cfg.model.name}: seeds of the refits: {shown or 'none'}")


def _searched(cfg: Config, strategy: str) -> Config:
    return cfg.model_copy(update={"strategy": StrategyConfig.model_validate({"name": strategy})})


def _added(cfg: Config, cells: Sequence[Cell], seeds: Sequence[int], folder: Path) -> bool:
    """Refit the points of the cells with more seeds; return False if the hours are too few."""
    seconds = [row.seconds for cell in cells for row in cell.final_runs if row.seconds is not None]
    missing = sum(1 + seeds[-1] - len(cell.final.seeds) for cell in cells if cell.final)

    @functools.cache  # once it has passed, the whole look is made, so that seeds stay in pairs
    def require_time() -> None:
        for strategy in cfg.strategies:
            searched = _searched(cfg, strategy)
            require_refit_time(searched, sweep_dir(searched), seconds, missing)

    try:
        for cell in cells:
            _add_seeds(cfg, cell, seeds, folder / cell.name.strategy, require_time)
    except StopSweep as over:
        print(f"{count(missing, 'more refit')} left out: {over}", flush=True)
        return False
    return True


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


def _add_seeds(
    cfg: Config,
    cell: Cell,
    seeds: Sequence[int],
    folder: Path,
    require_time: Callable[[], None],
) -> None:
    """Refit a cell's point with more seeds, and write their results.

    ``require_time`` is called before a refit that is not replayed; what it raises is passed on.
    """
    from pipeline.deployment.tested import figures, recorded_logits, write_predictions
    from pipeline.trials import refits
    from pipeline.trials.journal import Journal
    from pipeline.trials.openings import add_openings
    from pipeline.trials.resources import find_resources

    assert cell.final is not None
    cfg = _searched(cfg, cell.name.strategy).model_copy(update=cell.best.point.model_dump())
    take_own_device(cfg.machine)
    resources = find_resources(cfg)
    refits.require_same(cfg, cell.folder / "best.yaml", cell.best, resources.environment)
    journal = Journal.open(cfg.project, cfg.title)
    outcomes = {seed: refits.refit(cfg, seed, journal, require_time) for seed in seeds}
    logits = {seed: recorded_logits(journal, each.run_id) for seed, each in outcomes.items()}
    results = [figures(resources.manifest, each) for each in logits.values()]
    more = MoreSeeds.model_validate(
        refits.per_seed(outcomes, results, resources.manifest) | {"follows": cell.final.keys[0]}
    )
    temperature = cell.best.temperature or 1.0
    write_predictions(resources.manifest, logits, temperature, folder / "predictions.parquet")
    refits.write_runs(folder, outcomes, journal)
    write_json(folder / MORE_SEEDS, more.model_dump(mode="json", by_alias=True))
    opened = refits.opening_rows(cfg.project, cell.best, zip(more.keys, more.seeds, strict=True))
    add_openings(Path(cfg.root), folder.parent, opened)


if __name__ == "__main__":
    stage(decide, __doc__ or "")
