"""Read the state dict of a PyTorch file without running or building anything that it names.

The pickle inside is followed as data (``pickles``): it names storages and where each tensor lies in
one. A tensor is made only when it fits the bytes that the file has for it, so a view that repeats
one value a million times (stride 0) is never made. Formats: the zip of torch 1.6 and later, and the
sequence of pickles before (torch/serialization.py, ``_save`` and ``_legacy_save``).
"""

import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.base.errors import UserError
from pipeline.datasets.fetching.archive_headers import check_zip_directory
from pipeline.models.pickles import Global, Pickle, Room, checked_key

MOST_STEPS = 300_000
"""Maximum number of pickle instructions; a ResNet50_vd has about 13,000."""
_MOST_SIDES = 8
_MOST_ENTRIES = 20_000
_STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_DTYPES = ("float16", "float32", "float64", "bfloat16", "int64", "int32", "uint8", "bool")
_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_LENGTH = 8
_PAIR_BYTES = 100


@dataclass(frozen=True)
class _Storage:
    """A block of numbers in the file; tensors are views of it."""

    key: str
    dtype: torch.dtype
    count: int

    @property
    def size(self) -> int:
        return self.count * self.dtype.itemsize


@dataclass(frozen=True)
class Stored:
    """The description of a tensor that has not been made yet."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def made(self, data: bytes) -> torch.Tensor:
        """Return the tensor over the bytes of its storage."""
        if not self.storage.count:
            return torch.empty(self.shape, dtype=self.storage.dtype)
        flat = torch.frombuffer(data, dtype=self.storage.dtype, count=self.storage.count)
        return flat.as_strided(self.shape, self.stride, self.offset)


def read(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a state dict by name; read-only.

    Raises UserError if the file is not a plain state dict. A damaged file may also raise Python's
    own exceptions.
    """
    return _zipped(path) if zipfile.is_zipfile(path) else _legacy(path.read_bytes())


def _zipped(path: Path) -> dict[str, torch.Tensor]:
    with path.open("rb") as file:
        check_zip_directory(file)
    with zipfile.ZipFile(path) as archive:
        members = {member.filename: member for member in archive.infolist()}
        if len(members) > _MOST_ENTRIES:
            raise UserError(f"it has {len(members):,} entries, too many for weights")
        if any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
            raise UserError("it is compressed, which torch never does")
        if sum(member.file_size for member in members.values()) > path.stat().st_size:
            raise UserError("its entries overlap")
        roots = [name.removesuffix("data.pkl") for name in members if name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise UserError("it has no single data.pkl, which torch.save writes")
        order = f"{roots[0]}byteorder"
        if order in members and archive.read(order) != b"little":
            raise UserError("its numbers are big-endian")
        data = archive.read(f"{roots[0]}data.pkl")
        pickle = Pickle(
            data,
            _names(Room(len(data))),
            most_steps=MOST_STEPS,
            persistent=lambda given: _storage(given, 5),
        )
        return _made(pickle.value(), lambda key: archive.read(members[f"{roots[0]}data/{key}"]))


def _legacy(data: bytes) -> dict[str, torch.Tensor]:
    storages: dict[str, _Storage] = {}

    def persistent(given: Any) -> _Storage:
        storage = _storage(given, 6)
        return storages.setdefault(storage.key, storage)

    names = _names(Room(len(data)))
    pickle = Pickle(data, names, most_steps=MOST_STEPS, persistent=persistent)
    if pickle.value() != _MAGIC or pickle.value(pickle.end) != _LEGACY_PROTOCOL:
        raise UserError("it was written by an unknown version of torch")
    system = pickle.value(pickle.end)
    if type(system) is not dict or system.get("little_endian") is not True:
        raise UserError("its numbers are big-endian")
    content = pickle.value(pickle.end)
    keys = pickle.value(pickle.end)
    if type(keys) is not list or len(keys) > _MOST_ENTRIES:
        raise UserError("it has no list of storages")
    at, places = pickle.end, {}
    for key in keys:
        storage = storages[str(checked_key(key))]
        if int.from_bytes(data[at : at + _LENGTH], "little") != storage.count:
            raise UserError("a storage has another length than the file states")
        places[storage.key] = slice(at + _LENGTH, at + _LENGTH + storage.size)
        at += _LENGTH + storage.size

    return _made(content, lambda key: data[places[key]])


def _made(content: Any, stored: Callable[[str], bytes]) -> dict[str, torch.Tensor]:
    """Make the tensors of the state dict in ``content``; ``stored`` gives a storage's bytes."""
    read: dict[str, bytes] = {}
    made = {}
    for name, tensor in _state_dict(content).items():
        key = tensor.storage.key
        if key not in read:
            read[key] = stored(key)
        if len(read[key]) < tensor.storage.size:
            raise UserError(f"{name[:80]} has {len(read[key]):,} bytes of {tensor.storage.size:,}")
        made[name] = tensor.made(read[key])
    return made


def _state_dict(content: Any) -> dict[str, Stored]:
    """Find the tensors of a PyTorch file: in the content itself, or in one of the usual entries."""
    if isinstance(content, dict):
        content = content.get("state_dict", content.get("model", content))
    if not isinstance(content, dict) or not content:
        raise UserError(f"it holds {type(content).__name__}, not a state dict")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Stored):
            raise UserError(f"{str(name)[:80]!r} is not a tensor; a state dict was expected")
    return content


def _storage(given: Any, length: int) -> _Storage:
    """Return the storage that a persistent id of torch refers to."""
    if type(given) is not tuple or len(given) != length or given[0] != "storage":
        raise UserError("it refers to something that is not a storage")
    kind, key, _device, count, *view = given[1:]
    if not isinstance(kind, _StorageKind) or any(part is not None for part in view):
        raise UserError("it refers to a storage of an unknown kind")
    if type(count) is not int or not 0 <= count < 2**40:
        raise UserError("it refers to a storage with an impossible size")
    return _Storage(str(checked_key(key)), kind.dtype, count)


class _StorageKind(Global):
    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_others: object) -> Stored:
    if not isinstance(storage, _Storage) or type(shape) is not tuple or type(stride) is not tuple:
        raise UserError("it has a tensor without a storage")
    if len(shape) != len(stride) or len(shape) > _MOST_SIDES:
        raise UserError("it has a tensor with an impossible shape")
    if not all(type(each) is int and 0 <= each < 2**40 for each in (offset, *shape, *stride)):
        raise UserError("it has a tensor with an impossible shape")
    count = math.prod(shape)
    last = offset + sum((side - 1) * step for side, step in zip(shape, stride, strict=True))
    if count and (last >= storage.count or count > storage.count):
        raise UserError(
            f"it has a tensor of shape {shape}, {count:,} values, in a storage of {storage.count:,}"
        )
    return Stored(storage, offset, shape, stride)


def _size(sides: Any = ()) -> Any:
    if type(sides) is not tuple or len(sides) > _MOST_SIDES:
        raise UserError("it has a size with too many sides")
    return sides


def _names(room: Room) -> dict[tuple[str, str], Global]:
    """Return the only globals that a file may name; they use no more memory than ``room`` has."""

    def ordered(items: Any = ()) -> dict[Any, Any]:
        """Make an OrderedDict: empty, or from a list of pairs, as Python 2 wrote it."""
        if not isinstance(items, tuple | list):
            raise UserError("it makes a dict of something that is not pairs")
        room.take(_PAIR_BYTES * len(items))
        if not all(type(pair) in (tuple, list) and len(pair) == 2 for pair in items):
            raise UserError("it makes a dict of something that is not pairs")
        return {checked_key(key): value for key, value in items}

    names = {
        ("collections", "OrderedDict"): Global(ordered),
        ("torch._utils", "_rebuild_tensor_v2"): Global(_tensor),
        ("torch._utils", "_rebuild_parameter"): Global(lambda data, *_: data),
        ("torch", "Size"): Global(_size),
        ("torch", "device"): Global(lambda *_: None),
    }
    names |= {("torch", name): _StorageKind(dtype) for name, dtype in _STORAGES.items()}
    return names | {("torch", name): Global() for name in _DTYPES}
