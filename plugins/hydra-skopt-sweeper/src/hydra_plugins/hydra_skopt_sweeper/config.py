"""The options of the sweeper, registered as `hydra/sweeper=skopt`.

No postponed annotations here: Hydra runs a plugin's modules before it adds them to `sys.modules`,
where a dataclass would look up its annotations.
"""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore


@dataclass
class SkoptSweeperConf:
    _target_: str = "hydra_plugins.hydra_skopt_sweeper.skopt_sweeper.SkoptSweeper"

    # The space: override -> sweep in Hydra's grammar, such as {lr: "choice(0.1, 0.01)"}.
    # Sweeps and values on the command line win over these. (Not typed as a mapping, because
    # OmegaConf then refuses hydra.sweeper.params={...} on the command line.)
    params: Any = None

    # "minimize" or "maximize" the number that the task function returns.
    direction: str = "minimize"

    # Decides every random choice of the search.
    seed: int = 0

    # Stop after this many trials ...
    n_trials: int = 20
    # ... or when this many trials in a row did not better the best by more than min_delta ...
    patience: int | None = None
    min_delta: float = 0.0
    # ... or when the objective is this good ...
    target: float | None = None
    # ... or when the sweep has run this long.
    max_seconds: float | None = None

    # Trials proposed together and launched together.
    batch_size: int = 1

    # Runs of each trial; the search sees their mean. Run i gets the override `repeat_key`=i.
    repeats: int = 1
    repeat_key: str | None = None

    # Trials before the first model: initial_points, then the best of warm_start, then a design.
    n_initial: int = 3
    # Points to try first, such as [{lr: 0.01, mixup: true}].
    initial_points: list[dict[str, Any]] = field(default_factory=list)
    # Tables of other sweeps (CSV: a column per parameter, and `objective`, of the same direction);
    # the `warm_start_points` points with the best mean rank over the tables are tried.
    warm_start: list[str] = field(default_factory=list)
    warm_start_points: int = 3

    # Parameters to walk along, one after the other, before the model is asked: from the best of
    # initial_points and warm_start (n_initial is not used) to the best value that has a tried
    # neighbour on each side. For a parameter that decides most, such as a learning rate; each
    # must be a list of ordered values.
    line: list[str] = field(default_factory=list)

    # "gp", or "random" for a baseline that learns nothing.
    surrogate: str = "gp"
    # What a proposal has the most of: "EI", expected improvement, or "mean", the predicted value,
    # which suits a noisy objective after a walk. A space with an interval that cannot be listed
    # is searched by expected improvement.
    acquisition: str = "EI"

    # A failed trial (an exception, or an objective that is not finite) is shown to the model as
    # the worst value so far ("impute") or not at all ("skip"), or ends the sweep ("raise").
    on_failure: str = "impute"
    # End the sweep after this many failures in a row; null never does.
    max_consecutive_failures: int | None = 3
    # More failures than this make the sweep end with an error; null allows any number.
    allowed_failures: int | None = 0
    # An objective this bad or worse counts as it is, but the model is shown the worst of the
    # others: one diverged trial must not flatten every other difference.
    collapse_at: float | None = None

    # Continue the sweep whose table lies in the sweep directory.
    resume: bool = False
    # Fixed overrides that may differ from the interrupted sweep's, such as [verbose, device].
    resume_ignoring: list[str] = field(default_factory=list)


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="skopt",
    node=SkoptSweeperConf,
    provider="hydra_skopt_sweeper",
)
