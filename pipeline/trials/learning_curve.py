"""Train the chosen point on shares of the training images: would more images help?"""

from collections.abc import Callable
from functools import partial

from hydra_skopt_sweeper.errors import StopSweep

from pipeline.base.errors import UserError
from pipeline.datasets.manifest import Manifest
from pipeline.settings.schema import Config
from pipeline.training.balance import share_of
from pipeline.training.data import Purpose
from pipeline.trials import sweep
from pipeline.trials.final_parts import SharePoint
from pipeline.trials.journal import Journal
from pipeline.trials.run import TrialFailedError, run


def learning_curve(
    cfg: Config,
    manifest: Manifest,
    journal: Journal,
    whole: float | None,
    require_time: Callable[[float], None],
) -> list[SharePoint]:
    """Measure the point of ``cfg`` on validation, trained on each of ``evaluate.train_shares``.

    ``whole`` is the top-1 of the search's own trial, on all images; it comes last. A share is left
    out if its training diverges, or if ``require_time`` raises StopSweep for it. Returns nothing
    unless shares are asked for. Raises UserError when a training fails.
    """
    rows = manifest.rows(["train"])
    labels = manifest.labels[rows]
    points = []
    for share in sorted(cfg.evaluate.train_shares):
        top1 = _top1(cfg, share, journal, partial(require_time, share))
        if top1 is not None:
            points.append(SharePoint(images=len(share_of(rows, labels, share)), top1=top1))
    if not points or whole is None:
        return []
    return [*points, SharePoint(images=len(rows), top1=whole)]


def _top1(
    cfg: Config, share: float, journal: Journal, before_training: Callable[[], None]
) -> float | None:
    recipe = cfg.recipe.model_copy(update={"train_share": share})
    name = f"{cfg.dataset.name} · {100 * share:g} % of the training images"
    try:
        outcome = run(
            cfg.model_copy(update={"recipe": recipe}),
            Purpose.SEARCH,
            journal,
            name=name,
            label=name,
            parent_id=None,
            tags=sweep.tags(cfg, "learning curve"),
            before_training=before_training,
        )
    except StopSweep as over:
        print(f"{name}  left out: {over}", flush=True)
        return None
    except TrialFailedError as error:
        raise UserError(f"{name}: the training failed: {error}") from error
    return outcome.result.metrics.top1 if outcome.result.metrics else None
