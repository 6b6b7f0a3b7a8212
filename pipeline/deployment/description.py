"""Describe a packaged model: its classes, preprocessing and origin."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from pipeline.base.errors import UserError
from pipeline.datasets.decoding import Decoding, UnreadableError, decode
from pipeline.settings.values import MOST_SIDE, Positive
from pipeline.training.augment import centre_crop

FORMAT = 2
Three = Annotated[
    list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=3, max_length=3)
]
Side = Annotated[int, Field(ge=1, le=MOST_SIDE)]
"""Side in pixels of an image that a network receives. Its memory grows with the square."""
MOST_PIXELS = 200_000_000
"""Of an image that is decoded or resized, whatever a model asks for: below 2 GiB of memory."""
MOST_BYTES = 2**24
"""Of a ``model.json``: a hundred thousand classes."""
_MOST_FAULTS = 3
"""Named in one message."""


class Description(BaseModel):
    """The fields of ``model.json`` and of the metadata in ``model.onnx``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[2]
    arch: str
    classes: Annotated[list[str], Field(min_length=2)]
    """Class names in the order of the labels."""
    mean: Three
    """Mean of the RGB values, which are from 0 to 1."""
    std: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    decoding: Decoding
    """How prepare decoded the training images."""
    resize: Literal["antialias", "opencv"]
    """Method of resizing the short side to ``resize_size``; see pipeline/training/augment.py."""
    resize_size: Annotated[int, Field(ge=1, le=2 * MOST_SIDE)]
    """Short side in pixels before the centre crop."""
    image_size: Side
    """Side of the centre crop, in pixels."""
    temperature: Positive
    """Logits are divided by it before they become probabilities."""
    dataset: str
    title: str
    point: dict[str, float | bool]
    data_digest: str
    key: str
    """Key of the final trial that produced the weights."""
    versions: dict[str, str]
    """Versions of the packages with which it was trained."""

    @field_validator("decoding", mode="before")
    @classmethod
    def _stated(cls, options: Any) -> Any:
        """Require every option but ``white``: a default may differ from how prepare decoded."""
        if isinstance(options, dict):
            names = [field.name for field in fields(Decoding) if field.name != "white"]
            if missing := [name for name in names if name not in options]:
                raise ValueError(f"{', '.join(missing)} missing")
        return options

    @model_validator(mode="after")
    def _consistent(self) -> Description:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("two classes have the same name")
        if self.resize_size < self.image_size:
            raise ValueError("resize_size must be at least image_size")
        return self

    def image(self, data: bytes) -> np.ndarray:
        """Decode, resize and crop an image file to uint8 [image_size, image_size, 3].

        Gives the bytes that prepare and evaluate give for a test image. Raises UnreadableError for
        a file that is no image, and for an image that takes too much memory.
        """
        most = min(self.decoding.max_pixels, MOST_PIXELS)
        pixels = decode(data, replace(self.decoding, max_pixels=most))
        height, width = pixels.shape[:2]
        if self.resize_size**2 * max(height, width) > MOST_PIXELS * min(height, width):
            raise UnreadableError(f"{width}x{height} pixels is a strip, too large when resized")
        return centre_crop(pixels, self.resize_size, self.image_size, self.resize)


def checked(values: Any, path: Path) -> Description:
    """Return the description with these fields.

    Raises UserError for another format version and for missing or unknown fields.
    """
    if not isinstance(values, dict):
        raise UserError(f"{path}: no description of a model; run evaluate again")
    if (stated := values.get("format")) != FORMAT:
        raise UserError(
            f"{path}: a model of format {stated!r}, but this version reads format {FORMAT}. Use "
            "the version that wrote it, or run evaluate again"
        )
    try:
        return Description.model_validate(values)
    except ValidationError as error:
        faults = [
            f"{'.'.join(str(part) for part in fault['loc']) or 'fields'}: {fault['msg']}"
            for fault in error.errors()[:_MOST_FAULTS]
        ]
        raise UserError(
            f"{path}: {'; '.join(faults)}. The file is damaged; run evaluate again"
        ) from None


def read(path: Path) -> Description:
    """Read ``model.json``. Raises UserError when it is absent, damaged or of another version."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path}: more than {MOST_BYTES:,} bytes; no model needs as many")
        return checked(json.loads(path.read_text(encoding="utf-8")), path)
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}. A model is the folder `model` that evaluate writes, or the "
            "model.onnx in it"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: no JSON ({error}); run evaluate again") from None
