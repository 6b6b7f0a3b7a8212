"""What a packaged model says of itself: classes, preprocessing and where it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.base.errors import UserError
from pipeline.datasets.decoding import Decoding, decode
from pipeline.settings.values import Count, Positive
from pipeline.training.augment import centre_crop

FORMAT = 1
Three = Annotated[
    list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=3, max_length=3)
]
Side = Annotated[int, Field(ge=1, le=8192)]
"""Of an image a network sees, in pixels."""


class DecodingDescription(BaseModel):
    """How prepare decoded the images the model was trained on (``Decoding``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    side: Count | None
    scaled: bool
    max_pixels: Count
    crop_bottom: Annotated[int, Field(ge=0)]
    white: Annotated[int, Field(ge=1, le=65535)] | None = None


class Description(BaseModel):
    """The fields of ``model.json``, and of the metadata inside ``model.onnx``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1]
    arch: str
    classes: Annotated[list[str], Field(min_length=2)]
    """By label."""
    mean: Three
    """Of RGB values from 0 to 1."""
    std: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    decoding: DecodingDescription
    resize: Literal["antialias", "opencv"]
    """How the short side is brought to ``resize_size``; see pipeline/training/augment.py."""
    resize_size: Side
    """Short side in pixels before the centre crop."""
    image_size: Side
    """Side of the centre crop, in pixels."""
    dataset: str
    title: str
    point: dict[str, float | bool]
    data_digest: str
    key: str
    """Of the final trial that made the weights."""
    versions: dict[str, str]
    """Packages it was trained with."""

    @model_validator(mode="after")
    def _consistent(self) -> Description:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("two classes have the same name")
        if self.resize_size < self.image_size:
            raise ValueError("resize_size must be at least image_size")
        return self

    def image(self, data: bytes) -> np.ndarray:
        """The pixels the network sees, uint8 [image_size, image_size, 3], of an image file.

        The way of a test image through prepare and evaluate, byte for byte. Raises
        UnreadableError for whatever is no image.
        """
        pixels = decode(data, Decoding(**self.decoding.model_dump()))
        return centre_crop(pixels, self.resize_size, self.image_size, self.resize)


def checked(values: Mapping[str, Any], path: Path) -> Description:
    """Raises UserError for another format version and for missing or unknown fields."""
    found = values.get("format")
    if found != FORMAT:
        raise UserError(
            f"{path}: a model of format {found!r}, but this version reads format {FORMAT}. Use the "
            "version that wrote it, or run evaluate again"
        )
    try:
        return Description.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"{path}: {where or 'fields'}: {first['msg']}. The file is damaged; run evaluate again"
        ) from None


def read(path: Path) -> Description:
    """Read ``model.json``. Raises UserError when it is absent, damaged or of another version."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}. A model is the folder `model` that evaluate writes, or the "
            "model.onnx in it"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: no JSON ({error}); run evaluate again") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: no description of a model; run evaluate again")
    return checked(values, path)
