"""Define the typed schema that every configuration is checked against. Does not import torch.

Hydra composes ``params.yaml`` with the groups under ``conf/``.
:func:`pipeline.settings.compose.check` turns the result into a frozen :class:`Config`, or raises
UserError with every fault in it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.base.interim_looks import FEWEST_SEEDS, MOST_SEEDS, planned_looks
from pipeline.settings.dataset import DatasetConfig
from pipeline.settings.machine import MOST_THREADS
from pipeline.settings.point import Point, SpaceConfig
from pipeline.settings.values import (
    MOST_SIDE,
    Count,
    Fraction,
    Line,
    Model,
    Name,
    NonNegative,
    Part,
    Positive,
    Seconds,
    Seed,
    Share,
    Spread,
    broken_rule,
    written,
)


class ModelConfig(Model):
    name: Name
    title: Line
    arch: Line
    """A timm architecture; ``resnet50_vd`` is timm's ``resnet50d``."""
    weights: Line
    """``none``, a URL, ``hf-hub:REPO``, ``package:NAME`` or a path."""
    mirrors: list[str] = []
    """Other URLs of the same file, tried in order; only if ``weights`` is a URL."""
    imagenet_top1: Annotated[float, Field(gt=0, lt=1)] | None = None
    mean: Annotated[list[Share], Field(min_length=3, max_length=3)] = [0.485, 0.456, 0.406]
    """Per channel, of pixels from 0 to 1; so is ``std``."""
    std: Annotated[list[Spread], Field(min_length=3, max_length=3)] = [0.229, 0.224, 0.225]
    note: Line = ""
    licence: Line = ""
    """Of the weights, for the model card; empty if there are none to start from."""


class RecipeConfig(Model):
    """The settings of training that are not searched. The learning rate is a hyperparameter."""

    name: Name
    epochs: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    steps: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """Length of training; set exactly one of ``epochs`` and ``steps``."""
    batch_size: Annotated[int, Field(ge=2, le=1_000_000)] = 256
    micro_batch: Annotated[int, Field(ge=2)] | None = None
    """Images per forward pass, at least 2 for batch norm; gradients are accumulated up to
    ``batch_size``. Null: all."""
    image_size: Annotated[int, Field(ge=32, le=MOST_SIDE)] = 224
    """Side of the square crop the network sees, in pixels."""
    resize_size: Annotated[int, Field(ge=32, le=2 * MOST_SIDE)] = 256
    """Short side before the centre crop of evaluation, in pixels. Where it is not given or null it
    is 256/224 of ``image_size``: evaluation then sees the same share of a picture at every size."""
    resize: Literal["antialias", "opencv"] = "antialias"
    """``antialias`` averages over all pixels, as Pillow does. ``opencv`` mixes the four nearest
    pixels of the full-size image, as PaddleClas does."""
    crop_scale: Annotated[list[Positive], Field(min_length=2, max_length=2)] = [0.08, 1.0]
    """Smallest and largest fraction of the image's area that a random crop covers."""
    crop_sampling: Literal["torchvision", "paddle"] = "torchvision"
    """Aspect ratio log-uniform with a fallback (torchvision), or uniform and bounded (Paddle)."""
    horizontal_flip: bool = True
    momentum: Fraction = 0.9
    nesterov: bool = False
    decay_over_lr: bool = False
    """Divide the L2 decay by the learning rate, as Kornblith et al. 2019 define theirs."""
    schedule: Literal["cosine", "cosine_per_epoch"] = "cosine"
    warmup_epochs: NonNegative = 0.0
    smoothing_epsilon: Annotated[float, Field(gt=0, lt=1)] = 0.1
    mixup_alpha: Positive = 0.2
    stage_lr: Annotated[list[NonNegative], Field(min_length=5, max_length=5)] | None = None
    """Factors on the learning rate of the stem and the four stages; the head keeps 1."""
    bn_momentum: float | Literal["kornblith"] = 0.1
    """Weight of the newest batch in batch norm's running statistics, as in torch. ``kornblith``
    means min(10 / steps per epoch, 0.1)."""
    class_balance: Literal["none", "weights", "sampling"] = "none"
    """For classes of different size. ``weights`` weighs each image's loss by the inverse size of
    its class; ``sampling`` draws every class equally often, with repetition."""
    train_share: Part = 1.0
    """Share of each class's training images that is used. A smaller share is part of a larger."""

    @field_validator("bn_momentum", mode="before")
    @classmethod
    def _weight_or_rule(cls, value: object) -> object:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value != "kornblith" and not (number and 0 < float(str(value)) <= 1):
            raise ValueError(
                f"found {written(value)}; allowed: a number above 0, up to 1, or kornblith"
            )
        return value

    @model_validator(mode="before")
    @classmethod
    def _resize_by_image_size(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("resize_size") is not None:
            return values
        side = values.get("image_size", 224)
        plain = {key: value for key, value in values.items() if key != "resize_size"}
        return {**plain, "resize_size": round(side * 256 / 224)} if type(side) is int else plain

    @model_validator(mode="after")
    def _consistent(self) -> RecipeConfig:
        if self.epochs is None and self.steps is None:
            raise broken_rule("give exactly one of epochs and steps", "epochs", "steps")
        if self.epochs is not None and self.steps is not None:
            raise broken_rule(
                f"found epochs {self.epochs} and steps {self.steps}; give exactly one of epochs "
                "and steps. Set recipe.epochs=null or recipe.steps=null",
                *("steps", "epochs"),
            )
        if self.resize_size < self.image_size:
            raise broken_rule(
                f"found image_size {self.image_size} and resize_size {self.resize_size}; "
                "resize_size must be at least image_size, or null",
                *("image_size", "resize_size"),
            )
        if not self.crop_scale[0] <= self.crop_scale[1] <= 1:
            raise broken_rule(
                f"found {self.crop_scale}; crop_scale must be [least, most], least <= most <= 1",
                "crop_scale",
            )
        if self.micro_batch is not None and self.batch_size % self.micro_batch:
            raise broken_rule(
                f"found micro_batch {self.micro_batch} and batch_size {self.batch_size}; "
                "micro_batch must divide batch_size",
                *("micro_batch", "batch_size"),
            )
        if self.epochs is not None and self.warmup_epochs > self.epochs:
            raise broken_rule(
                f"found warmup_epochs {self.warmup_epochs:g} and epochs {self.epochs}; "
                "warmup_epochs must be at most epochs",
                *("warmup_epochs", "epochs"),
            )
        return self


Objective = Literal["top1", "mean_class", "loss"]
"""A metric of validation by which a search chooses: it maximises an accuracy, or minimises the loss
(:mod:`pipeline.training.objectives`)."""
OBJECTIVE_TITLES: dict[Objective, str] = {
    "top1": "top-1",
    "mean_class": "mean accuracy per class",
    "loss": "likelihood, exp(-loss)",
}


class ProtocolConfig(Model):
    name: Literal["heldout", "paddle"]


class StrategyConfig(Model):
    name: Literal["fixed", "grid", "bayes", "random"]


class NothingToSpend(Model):
    """The empty budget of a strategy whose trials are fixed: one point, or the whole space."""


class BudgetConfig(Model):
    """The budget of a search."""

    n_trials: Count = 20
    batch_size: Count = 1
    """Trials proposed at once; more than one is only useful with a parallel launcher."""
    patience: Count | None = None
    """Stop after this many trials without a gain of ``min_delta``; null never stops early."""
    min_delta: Fraction = 0.0


class SearchConfig(Model):
    """The budget of each strategy, by name, so that DVC can watch each one separately."""

    fixed: NothingToSpend = NothingToSpend()
    grid: NothingToSpend = NothingToSpend()
    bayes: BudgetConfig = BudgetConfig()
    random: BudgetConfig = BudgetConfig()
    max_hours: Positive | None = None
    """Hours from the start of the command to the report: no trial begins that would leave too
    little time for the refits. Null: any time. It decides no trial's numbers."""

    def budget(self, strategy: str) -> dict[str, float | None]:
        """Return the budget of ``strategy`` as a dict of its fields; empty for fixed and grid."""
        part = getattr(self, strategy, NothingToSpend())
        return dict(part.model_dump())

    def trials(self, strategy: str, size: int) -> int:
        """Return how many trials ``strategy`` may run on a space of ``size`` points."""
        given = 1 if strategy == "fixed" else size
        return min(int(self.budget(strategy).get("n_trials") or given), size)


class TuneConfig(Model):
    allowed_failures: Annotated[int, Field(ge=0)] = 0
    """tune exits non-zero when more trials than this have failed."""
    max_trial_seconds: Seconds | None = None
    """A trial that takes longer than this fails; null sets no limit."""


class EvaluateConfig(Model):
    seeds: Annotated[list[Seed], Field(min_length=1)] | Literal["auto"] = [0, 1, 2]
    """``auto``: a few at first, then more where a comparison is undecided, up to ``budget``."""
    budget: Annotated[int, Field(ge=FEWEST_SEEDS, le=MOST_SEEDS)] = 10
    """Most seeds of a chosen point; only if ``seeds`` is ``auto``."""
    onnx_with_preprocessing: bool = False
    """Also write an ONNX file that takes decoded images of any size, and resizes and crops them."""
    train_shares: list[Annotated[float, Field(gt=0, lt=1)]] = []
    """Shares of the training images on which the chosen point is trained too, to see on validation
    whether more images would help."""

    @field_validator("seeds", mode="before")
    @classmethod
    def _list_or_auto(cls, values: object) -> object:
        if values != "auto" and not isinstance(values, list):
            raise ValueError(f"found {written(values)}; allowed: auto, or a list of whole numbers")
        return values

    @field_validator("seeds", "train_shares")
    @classmethod
    def _distinct(cls, values: list[float] | str) -> list[float] | str:
        if values != "auto" and len(set(values)) != len(values):
            raise ValueError("values must be distinct")
        return values

    @property
    def looks(self) -> list[int]:
        """After how many seeds the comparisons are looked at."""
        return planned_looks(self.budget) if self.seeds == "auto" else [len(self.seeds)]

    @property
    def first_seeds(self) -> list[int]:
        """The seeds that every chosen point is refitted with."""
        return list(range(self.looks[0])) if self.seeds == "auto" else list(self.seeds)


class MachineConfig(Model):
    """How a trial uses the machine. Precision, compile and threads are part of a trial's key."""

    precision: Literal["auto", "float32", "tf32", "bf16", "fp16"] = "auto"
    """auto: bf16 autocast where the processor or card has native bf16, else float32. tf32 and fp16
    (autocast with a scaled loss, for cards without bf16) are only used where they are named."""
    compile: bool = False
    """Compile the training step (torch.compile). It computes other bits, so it is in the key."""
    threads: Annotated[int, Field(ge=0, le=MOST_THREADS)] = 0
    """Threads of one trial; 0: all cores."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    data: Literal["auto", "host", "device"] = "auto"
    """Where crops are cut, with the same bytes: on the host with Pillow, or on the device. auto: on
    an accelerator where there is one, else on the host."""
    simulate: Line | None = None
    """For a dry run: a table like ``trials.csv`` whose results replace training. Part of a key."""
    simulate_seconds: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    """Seconds that each simulated trial sleeps."""

    @field_validator("device", mode="before")
    @classmethod
    def _one_device(cls, device: object) -> object:
        if device not in ("auto", "cpu", "cuda"):
            raise ValueError(
                f"found {written(device)}; allowed: auto, cpu, cuda. A trial uses one device; "
                "to use several, run several trials at once: VDTRANSFER_LAUNCHER=processes"
            )
        return device


class PlannedConfig(Model):
    """The reasons for the settings of a project, written when it was made; they decide nothing."""

    model: str = ""
    search: str = ""


class Config(Point):
    """The whole configuration, filled from ``params.yaml`` and the groups under ``conf/``.

    The hyperparameters of the fixed scheme are keys of its top level.
    """

    project: Name
    """Name of the MLflow experiment."""
    root: Line
    """Folder that holds ``results/`` and ``report/``, relative to the repository."""
    title: Line
    dataset: DatasetConfig
    model: ModelConfig
    recipe: RecipeConfig
    protocol: ProtocolConfig
    strategy: StrategyConfig
    seed: Seed
    objective: Objective = "top1"
    folders: dict[Name, str] = {}
    """The user's own folders of images by name; ``dataset=NAME`` then accepts these names too."""
    datasets: Annotated[list[str], Field(min_length=1)]
    models: Annotated[list[str], Field(min_length=1)]
    strategies: Annotated[list[str], Field(min_length=1)]
    space: SpaceConfig
    search: SearchConfig = SearchConfig()
    tune: TuneConfig = TuneConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    machine: MachineConfig = MachineConfig()
    planned: PlannedConfig = PlannedConfig()

    @field_validator("datasets", "models", "strategies")
    @classmethod
    def _distinct(cls, names: list[str]) -> list[str]:
        if len(set(names)) != len(names):
            raise ValueError("values must be distinct")
        return names
