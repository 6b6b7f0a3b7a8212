"""Load a finished grid: the accuracy of every point of a search space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.base.errors import UserError
from pipeline.settings.point import FLAGS, Point

FIXED_SCHEME = {"lr": 0.003, "l2_decay": 0.0001, "label_smoothing": False, "mixup": False}
"""The published fixed scheme (published/README.md)."""

Index = tuple[int, ...]
"""One index per hyperparameter, into its list of values."""


@dataclass(frozen=True)
class FinishedGrid:
    """The accuracies of a grid as fractions; one axis per hyperparameter, as in ``values``."""

    values: Mapping[str, Sequence[Any]]
    objective: NDArray[np.float64]
    test: NDArray[np.float64] | None = None
    """Accuracy of the same models on images that no search uses."""

    @property
    def size(self) -> int:
        return self.objective.size

    @property
    def fixed_scheme(self) -> Index | None:
        """The index of the published fixed scheme; None if the grid does not contain it."""
        return self.point(FIXED_SCHEME)

    def point(self, values: Mapping[str, Any]) -> Index | None:
        """Return the index of these hyperparameters; None if the grid does not contain them."""
        try:
            return tuple(list(column).index(values[n]) for n, column in self.values.items())
        except (KeyError, ValueError):
            return None

    @classmethod
    def load(cls, path: Path) -> FinishedGrid:
        """Read a grid from a CSV file. Raises UserError if it is missing or not a whole grid."""
        try:
            return cls.from_table(pd.read_csv(path))
        except (OSError, pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError) as error:
            raise UserError(f"{path}: cannot be read as a table ({error})") from None
        except UserError as error:
            raise UserError(f"{path}: {error}") from None

    @classmethod
    def from_table(cls, table: pd.DataFrame) -> FinishedGrid:
        """Make a grid from a table with a row per point, in any order.

        The columns are the hyperparameters, objective and optionally test. The hyperparameters
        are ordered as published, and numbers from large to small. An accuracy that is missing or
        not finite counts as 0, like that of a diverged trial. Columns with a value above 1 are
        taken for percent.

        Raises UserError if a column is missing or not numeric, or if the rows are not every
        combination of the values exactly once.
        """
        fields = Point.model_fields
        needed = (*(name for name, each in fields.items() if each.is_required()), "objective")
        if missing := [name for name in needed if name not in table.columns]:
            raise UserError(f"no column {missing[0]}; a finished grid has {', '.join(needed)}")
        values = {
            n: sorted(table[n].unique().tolist(), reverse=n not in FLAGS)
            for n in fields
            if n in table.columns
        }
        shape = tuple(map(len, values.values()))
        points = pd.MultiIndex.from_product(list(values.values()), names=list(values))
        measured = table.set_index(list(values))
        different = measured.index.nunique()
        if not len(table) == different == len(points):
            raise UserError(
                f"{len(table)} rows, {different} different points; a finished grid has "
                f"each of its {' x '.join(map(str, shape))} = {len(points)} points once"
            )

        def accuracies(name: str) -> NDArray[np.float64]:
            if not pd.api.types.is_numeric_dtype(table[name]):
                raise UserError(f"column {name} holds something that is not a number")
            column = measured[name].reindex(points).to_numpy(dtype=np.float64)
            column = np.where(np.isfinite(column), column, 0.0)
            return (column / 100 if column.max() > 1 else column).reshape(shape)

        test = accuracies("test") if "test" in table.columns else None
        return cls(values, accuracies("objective"), test)
