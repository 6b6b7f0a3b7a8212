"""Define the strict base model and the checked value types that the schema is made of."""

import json
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

_CONTROL = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
"""Control characters, and those that break a line or turn the direction of what follows."""
_NAME = rf"^[^\s/\\.=+@{_CONTROL}-][^/\\{_CONTROL}]*$"
_LINE = rf"^[^{_CONTROL}]*$"
PATTERNS = {
    _NAME: "a name without /, \\ or control characters that does not begin with a dot, a blank or "
    "one of = + - @",
    _LINE: "text on one line, without control characters",
}
"""What the patterns mean, for messages."""
Name = Annotated[str, Field(pattern=_NAME, max_length=100)]
Line = Annotated[str, Field(pattern=_LINE)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Part = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Spread = Annotated[float, Field(ge=0.001, le=1)]
"""A standard deviation that pixels are divided by."""
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
White = Annotated[int, Field(ge=1, le=65535)]
"""A value of an image with 16 bits per channel."""
MOST_SIDE = 2048
"""Pixels. A ResNet50_vd takes about 0.6 GB of memory for one image of this side."""
Seed = Annotated[int, Field(ge=0, le=2**64 - 1)]
"""What torch's generators take."""
Seconds = Annotated[float, Field(gt=0, le=31_536_000)]
"""Up to a year: the clock of a process takes no time without end."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Md5 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Model(BaseModel):
    """A frozen model that refuses unknown keys and values of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def written(value: object) -> str:
    """Write a value as in YAML, where it differs from Python."""
    return json.dumps(value) if value is None or isinstance(value, bool) else repr(value)


RULE = "rule"
"""The type of an error between several keys."""


def broken_rule(message: str, *keys: str) -> PydanticCustomError:
    """Make the error of a rule between ``keys`` of one part of the schema, for a validator."""
    # braces would be fields of the message's template
    text = message.replace("{", "(").replace("}", ")")
    return PydanticCustomError(RULE, text, {"keys": list(keys)})
