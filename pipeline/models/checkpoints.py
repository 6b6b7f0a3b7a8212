"""Read the tensors of a weights file in any known format, without running its content."""

from __future__ import annotations

import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from pipeline.base.errors import UserError
from pipeline.models import paddle

_PICKLE = b"\x80"
_TORCH_1_5 = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""First bytes of files that torch wrote before 1.6: a pickled magic number."""
_ZIP = b"PK\x03\x04"
_KINDS = ".pdparams (Paddle), .pth (PyTorch state dict) or .safetensors"


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return every tensor of the file by its name in the file, unchanged.

    The format is recognised by content, not by suffix. Raises UserError if the file is missing or
    incomplete, holds anything but tensors, or asks to run code.
    """
    if path.is_dir():
        raise UserError(
            f"{path} is a folder, perhaps an unpacked .tar of Paddle's old static format;"
            f" expected a {_KINDS} file"
        )
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; expected a {_KINDS} file")
    try:
        with path.open("rb") as file:
            start = file.read(len(_TORCH_1_5))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    if not start:
        raise UserError(f"{path} is empty; expected a {_KINDS} file")
    if start.startswith((_ZIP, _TORCH_1_5)):
        return _torch(path)
    if start.startswith(_PICKLE):
        with warnings.catch_warnings():  # the arrays are read-only, and stay so
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            return {name: torch.from_numpy(array) for name, array in paddle.read(path).items()}
    if start[8:9] == b"{":
        try:
            return safetensors.torch.load_file(path)
        except Exception as error:  # the header can name any type and size
            raise _unreadable(path, ".safetensors", error) from None
    if tarfile.is_tarfile(path):
        raise UserError(f"{path} is a .tar, Paddle's old static format; expected a {_KINDS} file")
    raise UserError(f"{path} is none of {_KINDS}; it begins with {start!r}")


def _torch(path: Path) -> dict[str, torch.Tensor]:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                size = sum(member.file_size for member in archive.infolist())
            if size > paddle.MAX_BYTES:
                raise ValueError(f"it unpacks to {size:,} bytes, too many for weights")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile or broken file can make any operation fail
        raise _unreadable(path, "PyTorch", error) from None
    return _state_dict(path, content)


def _unreadable(path: Path, kind: str, error: Exception) -> UserError:
    reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
    return UserError(f"{path}: not a readable {kind} file, or half of one: {reason}")


def _state_dict(path: Path, content: Any) -> dict[str, torch.Tensor]:
    """Find the tensors of a PyTorch file: in the content itself, or in one of the usual entries."""
    if isinstance(content, dict):
        content = content.get("state_dict", content.get("model", content))
    if not isinstance(content, dict) or not content:
        raise UserError(f"{path}: holds no state dict but {type(content).__name__}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise UserError(
                f"{path}: {str(name)[:80]!r} is not a tensor; a state dict was expected"
            )
        if value.layout != torch.strided or value.is_quantized:
            raise UserError(f"{path}: {name[:80]} is a sparse or quantised tensor")
    return dict(content)
