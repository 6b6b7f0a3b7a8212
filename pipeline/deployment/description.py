"""Describe a packaged model: its classes, preprocessing and origin."""

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
"""Side in pixels of an image that a network receives."""


class DecodingDescription(BaseModel):
    """The options with which prepare decoded the training images (``Decoding``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    side: Count | None
    scaled: bool
    max_pixels: Count
    crop_bottom: Annotated[int, Field(ge=0)]
    white: Annotated[int, Field(ge=1, le=65535)] | None = None


class Description(BaseModel):
    """The fields of ``model.json`` and of the metadata in ``model.onnx``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1]
    arch: str
    classes: Annotated[list[str], Field(min_length=2)]
    """Class names in the order of the labels."""
    mean: Three
    """Mean of the RGB values, which are from 0 to 1."""
    std: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    decoding: DecodingDescription
    resize: Literal["antialias", "opencv"]
    """Method of resizing the short side to ``resize_size``; see pipeline/training/augment.py."""
    resize_size: Side
    """Short side in pixels before the centre crop."""
    image_size: Side
    """Side of the centre crop, in pixels."""
    dataset: str
    title: str
    point: dict[str, float | bool]
    data_digest: str
    key: str
    """Key of the final trial that produced the weights."""
    versions: dict[str, str]
    """Versions of the packages with which it was trained."""

    @model_validator(mode="after")
    def _consistent(self) -> Description:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("two classes have the same name")
        if self.resize_size < self.image_size:
            raise ValueError("resize_size must be at least image_size")
        return self

    def image(self, data: bytes) -> np.ndarray:
        """Decode, resize and crop an image file to uint8 [image_size, image_size, 3].

        A test image goes through the same steps in prepare and evaluate, byte for byte. Raises
        UnreadableError if the file is not an image.
        """
        pixels = decode(data, Decoding(**self.decoding.model_dump()))
        return centre_crop(pixels, self.resize_size, self.image_size, self.resize)


def checked(values: Mapping[str, Any], path: Path) -> Description:
    """Return the description with these fields.

    Raises UserError for another format version and for missing or unknown fields.
    """
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
