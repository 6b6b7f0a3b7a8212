"""Load the PyTorch network of a packaged model, with its normalisation in front."""

from pathlib import Path

import timm
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from pipeline.base.errors import UserError
from pipeline.deployment.description import Description
from pipeline.models import safetensors_file
from pipeline.models.architecture import timm_name


class PackagedNetwork(nn.Module):
    """Computes logits and probabilities from RGB values, as ``model.onnx`` does."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, description: Description) -> None:
        super().__init__()
        self.network, self.temperature = network, description.temperature
        self.register_buffer("mean", 255 * torch.tensor(description.mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(description.std).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute logits and probabilities, float32 [N, K], of float32 [N, 3, S, S], 0 to 255."""
        logits = self.network((images - self.mean) / self.std)
        return logits, (logits / self.temperature).softmax(1)


def load(description: Description, weights: Path) -> PackagedNetwork:
    """Load the network in evaluation mode from safetensors, which cannot hold code.

    Raises UserError for weights that are missing or do not fit.
    """
    try:
        state = safetensors_file.read(weights)
    except FileNotFoundError:
        raise UserError(f"{weights}: no such file; run evaluate again") from None
    except (SafetensorError, OSError, ValueError, UserError) as error:
        raise UserError(f"{weights}: no safetensors file ({error}); run evaluate again") from None
    kinds = {str(tensor.dtype) for tensor in state.values() if tensor.is_floating_point()}
    if kinds - {"torch.float32"}:
        raise UserError(f"{weights}: holds {', '.join(sorted(kinds))}, but torch.float32 is needed")
    with torch.device("meta"):
        network = timm.create_model(
            timm_name(description.arch), num_classes=len(description.classes)
        )
    try:
        network.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(
            f"{weights}: not the weights of {description.arch} with {len(description.classes)} "
            f"classes: {reason}"
        ) from None
    return PackagedNetwork(network, description).eval()
