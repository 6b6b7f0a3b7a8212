"""Define the base of every record, and the types of its fields."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Temperature = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""Logits are divided by it before they become probabilities."""
Protocol = Literal["heldout", "paddle"]


class Record(BaseModel):
    """A frozen model that ignores unknown keys."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)
