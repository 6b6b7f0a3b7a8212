"""Compute the metrics of a split from the logits of all its images."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torchmetrics.functional.classification import multiclass_confusion_matrix

PADDLE_BATCH = 32


@dataclass(frozen=True)
class Metrics:
    """The metrics of a split: fractions from 0 to 1; ``loss`` in nats, without label smoothing."""

    loss: float
    top1: float
    top5: float
    mean_class: float
    paddle_batch_mean: float
    per_class: list[float]
    """Top-1 of each class; 0 for a class without images."""
    confusion: list[list[int]]
    """Numbers of images; rows are true classes, columns are predicted classes."""

    def scalars(self) -> dict[str, float]:
        """Return the metrics that are single numbers, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, float)}


def measure(logits: Tensor, labels: Tensor) -> Metrics:
    """Compute the metrics of float logits [N, K] against int64 labels [N], in list order.

    Classes without images do not count in ``mean_class``. ``paddle_batch_mean`` is the unweighted
    mean of the accuracies of batches of 32, where a shorter last batch has full weight. No other
    definition explains the figures in the second published table (in 2020 PaddleClas weighted
    batches by the number of feeds).
    """
    logits = logits.float()
    classes = logits.shape[1]
    predicted = logits.argmax(1)
    confusion = multiclass_confusion_matrix(predicted, labels, classes)
    images = confusion.sum(1)
    per_class = confusion.diagonal().double() / images.clamp(min=1)
    hits = (predicted == labels).double()
    best = logits.topk(min(5, classes)).indices
    return Metrics(
        loss=float(cross_entropy(logits.double(), labels)),
        top1=float(hits.mean()),
        top5=float((best == labels[:, None]).any(1).double().mean()),
        mean_class=float(per_class[images > 0].mean()),
        paddle_batch_mean=float(torch.stack([b.mean() for b in hits.split(PADDLE_BATCH)]).mean()),
        per_class=[float(value) for value in per_class],
        confusion=confusion.tolist(),
    )
