"""Read a .safetensors file whose header costs little."""

import json
from pathlib import Path

import safetensors.torch
import torch

from pipeline.base.errors import UserError

MOST_HEADER = 2**22
"""Bytes of the header: 100 for each tensor."""
MOST_TENSORS = 20_000
"""The largest networks of timm have some thousand."""
_LENGTH = 8


def read(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors by name.

    Raises UserError for a header that is too long, SafetensorError or ValueError for a damaged
    file, OSError for one that cannot be read.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        if length > MOST_HEADER:
            raise UserError(f"its header has {length:,} bytes; at most {MOST_HEADER:,} are read")
        try:
            header = json.loads(file.read(length))
        except RecursionError:
            raise ValueError("the header is nested too deeply") from None
    if not isinstance(header, dict) or len(header) > MOST_TENSORS:
        raise UserError(f"its header lists no tensor, or more than {MOST_TENSORS:,} tensors")
    return safetensors.torch.load_file(path)
