"""The loss of plain, smoothed, mixed and smoothed-and-mixed training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def mix(images: Tensor, partners: Tensor, lam: float) -> Tensor:
    """``lam * images + (1 - lam) * partners`` for float images of one shape [N, C, H, W]."""
    return torch.lerp(partners, images, lam)


def mixed_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    partners: Tensor | None,
    lam: float,
    label_smoothing: float,
    reduction: str = "mean",
) -> Tensor:
    """``lam * CE(labels) + (1 - lam) * CE(partners)``, each smoothed.

    logits: [N, K]; labels and partners: int64 [N], partners None without mixup. Smoothing gives
    ``(1 - e) * onehot + e / K``, as PaddleClas's CELoss and MixCELoss (release/2.0,
    ppcls/modeling/loss.py). Computed in float32 whatever the logits' type.
    """
    logits = logits.float()
    loss = cross_entropy(logits, labels, label_smoothing=label_smoothing, reduction=reduction)
    if partners is None:
        return loss
    other = cross_entropy(logits, partners, label_smoothing=label_smoothing, reduction=reduction)
    return lam * loss + (1 - lam) * other
