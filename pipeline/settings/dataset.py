"""Define the part of the schema that describes a dataset.

It is a module of its own because prepare takes long and depends on no other part (dvc.yaml).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.settings.values import (
    Count,
    Fraction,
    Line,
    Md5,
    Model,
    Name,
    Seed,
    Sha256,
    White,
    broken_rule,
    written,
)


class ArchiveConfig(Model):
    """A file to fetch into ``data/raw/<dataset>/<file>``."""

    file: Name
    urls: list[str] = []
    """Addresses, tried in order. ``hf://datasets/OWNER/REPO/PATH`` uses the Hugging Face hub."""
    size: Count | None = None
    """Bytes; null where no source states it."""
    sha256: Sha256 | None = None
    md5: Md5 | None = None
    other_sha256: list[Sha256] = []
    """Digests of files of the same content packed differently; ``size`` does not apply to them."""


class CountsConfig(Model):
    """The number of entries in each official list; 0 for a list that does not exist."""

    train: Annotated[int, Field(ge=0)] = 0
    val: Annotated[int, Field(ge=0)] = 0
    test: Annotated[int, Field(ge=0)] = 0


class DatasetConfig(Model):
    name: Name
    title: Line
    reader: Literal[
        "digits",
        "fashion_mnist",
        "oxford_iiit_pet",
        "flowers102",
        "food101",
        "sun397",
        "caltech101",
        "dtd",
        "stanford_cars",
        "fgvc_aircraft",
        "folder",
    ]
    homepage: Line = ""
    licence: Line = ""
    citation: str = ""
    archives: list[ArchiveConfig] = []
    originals: list[ArchiveConfig] = []
    """The creators' own files, for datasets whose ``archives`` come from a mirror. They are used
    instead once the files without an address have been placed by hand."""
    root: str | None = None
    """The folder of the user's own images; only for ``reader: folder``."""
    class_level: Count | None = None
    """How many levels below ``root`` the class folders are; null recognises the layout."""
    min_class_images: Count | None = None
    """Leave out classes with fewer different training images than this, or than the splits need.
    Null refuses classes that the splits leave without an image."""
    classes: Count | None = None
    counts: CountsConfig | None = None
    accept_counts: bool = False
    """Continue when the lists differ from ``classes`` and ``counts``; the report says so."""
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Fraction of train held out for validation if the creators made no validation split."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Fraction held out for test if there is no test split (own folders, digits)."""
    split_seed: Seed = 0
    max_train_images: Count | None = None
    """Keep a stratified subset of train; null keeps all."""
    max_val_images: Count | None = None
    max_unreadable: Fraction = 0.01
    """prepare stops when a larger fraction of the images cannot be read."""
    store_side: Count | Literal["original"] = 256
    """Short side of the stored images in pixels; smaller images are not enlarged. ``original``
    stores every image at its full size, which a recipe with ``resize: opencv`` needs."""
    scaled_decoding: bool = True
    """Let the JPEG decoder shrink large images while it decodes them; false for exact parity."""
    max_pixels: Count = 200_000_000
    """Larger images are decoded at reduced size if the format allows it, else left out."""
    white: White | None = None
    """The 16-bit value that means white; null uses what the file states, else 65535."""
    partition: Annotated[int, Field(ge=1, le=10)] = 1
    """Number of the official partition, for dtd and sun397."""
    background: bool = True
    """caltech101: keep BACKGROUND_Google as a class (102 classes), as Kornblith et al. do."""
    crop_banner: bool = False
    """fgvc_aircraft: cut the 20 rows of the copyright banner."""

    @field_validator("store_side", mode="before")
    @classmethod
    def _side_or_original(cls, value: object) -> object:
        if value != "original" and not (type(value) is int and value > 0):
            raise ValueError(f"found {written(value)}; allowed: a number of pixels, or original")
        return value

    @model_validator(mode="after")
    def _root_goes_with_folder(self) -> DatasetConfig:
        if (self.root is not None) != (self.reader == "folder"):
            raise broken_rule(
                "root is needed with reader: folder and forbidden elsewhere; "
                "for your own images use dataset=folder dataset.root=PATH",
                *("root", "reader"),
            )
        if self.class_level is not None and self.reader != "folder":
            raise broken_rule("class_level is for reader: folder only", "class_level", "reader")
        return self
