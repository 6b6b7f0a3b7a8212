"""Define the file that decide writes for a cell with added seeds, and join it with final.json."""

from pipeline.base.statistics import t_interval
from pipeline.trials.contract import ClassRow, FinalFile, PerSeed

MORE_SEEDS = "more_seeds.json"


class MoreSeeds(PerSeed):
    """The results of the added seeds on the test split."""

    follows: str
    """Key of the cell's first refit: these seeds belong to that point, data and weights."""
    per_class: list[ClassRow]


def joined(final: FinalFile, more: MoreSeeds) -> FinalFile:
    """Return ``final`` over its own seeds and the added ones."""
    lists = {name: [*getattr(final, name), *getattr(more, name)] for name in PerSeed.model_fields}
    interval = t_interval(lists["top1"])
    return final.model_copy(
        update={
            **lists,
            "top1_mean": interval.mean,
            "top1_low": interval.low,
            "top1_high": interval.high,
            "per_class": [
                _mean(own, len(final.seeds), added, len(more.seeds))
                for own, added in zip(final.per_class, more.per_class, strict=True)
            ],
        }
    )


def _mean(own: ClassRow, seeds: int, added: ClassRow, more: int) -> ClassRow:
    if own.top1 is None or added.top1 is None:
        return own
    mean = (seeds * own.top1 + more * added.top1) / (seeds + more)
    return own.model_copy(update={"top1": mean})
