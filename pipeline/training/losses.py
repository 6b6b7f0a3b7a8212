"""Compute the loss with or without label smoothing and mixup."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def mix(images: Tensor, partners: Tensor, lam: float) -> Tensor:
    """Return ``lam * images + (1 - lam) * partners`` for float images of one shape [N, C, H, W]."""
    return torch.lerp(partners, images, lam)


def mixed_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    partners: Tensor | None,
    lam: float,
    label_smoothing: float,
    reduction: str = "mean",
    class_weights: Tensor | None = None,
) -> Tensor:
    """Compute ``lam * CE(labels) + (1 - lam) * CE(partners)`` with smoothed targets.

    Logits are [N, K], labels and partners int64 [N]; partners is None without mixup. A smoothed
    target is ``(1 - e) * onehot + e / K``, as in PaddleClas's CELoss and MixCELoss (release/2.0,
    ppcls/modeling/loss.py). With ``class_weights`` [K] the loss of each image is multiplied by the
    weight of its label, and of its partner's label. The mean is over images, not over weights. The
    loss is computed in float32 whatever the type of the logits.
    """
    logits = logits.float()

    def loss_of(targets: Tensor) -> Tensor:
        if class_weights is None:
            return cross_entropy(
                logits, targets, label_smoothing=label_smoothing, reduction=reduction
            )
        each = cross_entropy(logits, targets, label_smoothing=label_smoothing, reduction="none")
        weighted = each * class_weights[targets]
        return weighted.sum() if reduction == "sum" else weighted.mean()

    loss = loss_of(labels)
    if partners is None:
        return loss
    other = loss_of(partners)
    return lam * loss + (1 - lam) * other
