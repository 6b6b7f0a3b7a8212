"""Read the tensors of a weights file in any known format, without running its content."""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from pipeline.base.errors import UserError
from pipeline.base.text import printable
from pipeline.models import paddle, pytorch, safetensors_file
from pipeline.models.pickles import Room

MOST_BYTES = 2**31
"""Largest pickled file that is read: 20 times the size of ResNet50_vd."""
_PICKLE = b"\x80"
_TORCH_1_5 = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""First bytes of files that torch wrote before 1.6: a pickled magic number."""
_ZIP = b"PK\x03\x04"
_TAR, _TAR_AT = b"ustar", 257
"""The mark of a tar, and where it is. tarfile itself would unpack a compressed one to see it."""
_KINDS = ".pdparams (Paddle), .pth (PyTorch state dict) or .safetensors"


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return every tensor of the file by its name in the file, unchanged.

    The format is recognised by content, not by suffix. Raises UserError if the file is missing or
    incomplete, holds anything but tensors, or asks to run code.
    """
    try:
        if path.is_dir():
            raise UserError(
                f"{path} is a folder, perhaps an unpacked .tar of Paddle's old static format;"
                f" expected a {_KINDS} file"
            )
        if not path.is_file():
            raise UserError(f"{path}: there is no such file; expected a {_KINDS} file")
        with path.open("rb") as file:
            start = file.read(_TAR_AT + len(_TAR))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    if not start:
        raise UserError(f"{path} is empty; expected a {_KINDS} file")
    kind, read = _reader(path, start)
    size = path.stat().st_size
    try:
        if kind != ".safetensors" and size > MOST_BYTES:
            raise UserError(f"{size:,} bytes is more than a weights file may have ({MOST_BYTES:,})")
        with warnings.catch_warnings():  # the arrays are read-only, and stay so
            warnings.filterwarnings("ignore", message="The given .* is not writable")
            content = read(path)
        Room(size).take(sum(_as_float32(tensor) for tensor in content.values()))
        return content
    except UserError as error:  # may repeat names that the file holds
        raise UserError(f"{path}: {printable(error)}") from None
    except Exception as error:  # a hostile or broken file can make any operation fail
        reason = printable(str(error).strip()[:200]) or type(error).__name__
        raise UserError(f"{path}: not a readable or not a complete {kind} file: {reason}") from None


def _reader(path: Path, start: bytes) -> tuple[str, Callable[[Path], dict[str, torch.Tensor]]]:
    """Return the kind of a file, and the function that reads it, by the first bytes."""
    if start.startswith((_ZIP, _TORCH_1_5)):
        return "PyTorch", pytorch.read
    if start.startswith(_PICKLE):
        return ".pdparams", _paddle
    if start[8:9] == b"{":
        return ".safetensors", safetensors_file.read
    if start[_TAR_AT:].startswith(_TAR):
        raise UserError(f"{path} is a .tar, Paddle's old static format; expected a {_KINDS} file")
    raise UserError(f"{path} is none of {_KINDS}; it begins with {start[:15]!r}")


def _paddle(path: Path) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in paddle.read(path).items()}


def _as_float32(tensor: torch.Tensor) -> int:
    """Return the bytes of the tensor as float32, or its own bytes if these are more."""
    return tensor.numel() * max(tensor.itemsize, torch.float32.itemsize)
