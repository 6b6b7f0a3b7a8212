"""Read a ``.pdparams`` file without Paddle and without running any code in it.

Such a file is a plain pickle of a dict from parameter name to numpy array (Paddle's
``python/paddle/framework/io.py``). Its instructions are followed as data (``pickles``), and arrays
are made only from checked shapes and bytes, never by numpy's own ``__setstate__``.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.base.errors import UserError
from pipeline.models.pickles import Global, Made, Pickle, Room

MAX_OPCODES = 50_000
"""Maximum number of pickle instructions; a ResNet50_vd has about 8,000."""

NAME_TABLE = "StructuredToParameterName@@"
_DTYPES = {"f2": "float16", "f4": "float32", "f8": "float64", "i8": "int64"}
_MOST_SIDES = 8
_LONGEST_SIDE = 2**31


def read(path: Path) -> dict[str, np.ndarray]:
    """Return the file's arrays by name: read-only float16, float32, float64 or int64.

    Accepts pickle protocols 2 to 4, both spellings of numpy's modules and ``(name, array)`` tuples.
    Raises UserError for anything else. A damaged file may also raise Python's own exceptions.
    """
    data = path.read_bytes()
    pickle = Pickle(data, _globals(Room(len(data))), most_steps=MAX_OPCODES)
    content = pickle.value()
    if pickle.end != len(data):
        raise UserError(f"{len(data) - pickle.end:,} bytes follow the end of the pickle")
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise UserError("does not hold a dict from parameter name to array")
    content.pop(NAME_TABLE, None)
    if not content:
        raise UserError("holds no array")
    return {name: _array(name, value) for name, value in content.items()}


class _DType(Made):
    """A stand-in for numpy's dtype, checked before arrays are made with it."""

    def __init__(self, code: object, *_flags: object) -> None:
        if not isinstance(code, str) or code not in _DTYPES:
            kind = f"{code:.20}" if isinstance(code, str) else f"a {type(code).__name__}"
            raise UserError(f"holds values of type {kind}; weights are {', '.join(_DTYPES)}")
        self.value = np.dtype(code)

    def set_state(self, state: Any) -> None:
        _version, order, *rest = state
        if order not in ("<", ">", "=", "|") or any(part is not None for part in rest[:3]):
            raise UserError("holds a structured or unknown data type")
        self.value = self.value.newbyteorder(order)


class _Array(Made):
    """A stand-in for a numpy array, whose content comes as its state."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.value: np.ndarray | None = None

    def set_state(self, state: Any) -> None:
        _version, shape, dtype, fortran, data = state
        if isinstance(data, str):  # bytes of a pickle that Python 2 wrote
            self._room.take(len(data))
            data = data.encode("latin1")
        if not isinstance(dtype, _DType) or not isinstance(data, bytes):
            raise UserError("holds an array of objects")
        if (
            type(shape) is not tuple
            or len(shape) > _MOST_SIDES
            or not all(type(side) is int and 0 < side < _LONGEST_SIDE for side in shape)
        ):
            raise UserError("holds an array with an impossible shape")
        if len(data) != math.prod(shape) * dtype.value.itemsize:
            raise UserError(f"holds an array of shape {shape} with {len(data):,} bytes")
        self._room.take(len(data))
        values = np.frombuffer(data, dtype.value).astype(dtype.value.newbyteorder("="), copy=False)
        self.value = values.reshape(shape, order="F" if fortran is True else "C")


def _globals(room: Room) -> dict[tuple[str, str], Global]:
    """Return the only globals that a file may name; they use no more memory than ``room`` has."""

    def reconstruct(kind: object, shape: object, code: object) -> _Array:
        if kind is not array or shape != (0,) or code not in (b"b", "b"):
            raise UserError("rebuilds something that is not a plain array")
        return _Array(room)

    def encode(text: object, encoding: object) -> bytes:
        if not isinstance(text, str) or encoding != "latin1":
            raise UserError("encodes something that is not latin1 text")
        room.take(len(text))
        return text.encode("latin1")

    def as_tuple(items: object) -> tuple[Any, ...]:
        if not isinstance(items, tuple | list):
            raise UserError("makes a tuple of something that is not a tuple or a list")
        room.take(8 * len(items))
        return tuple(items)

    array = Global()
    return {
        ("numpy.core.multiarray", "_reconstruct"): Global(reconstruct),
        ("numpy._core.multiarray", "_reconstruct"): Global(reconstruct),
        ("numpy", "ndarray"): array,
        ("numpy", "dtype"): Global(_DType),
        ("_codecs", "encode"): Global(encode),
        ("collections", "OrderedDict"): Global(lambda: {}),  # noqa: PIE807 - dict takes arguments
        ("builtins", "tuple"): Global(as_tuple),
        ("__builtin__", "tuple"): Global(as_tuple),
    }


def _array(name: str, value: object) -> np.ndarray:
    if isinstance(value, tuple) and len(value) == 2:  # Paddle 2.1: (parameter name, array)
        value = value[1]
    if not isinstance(value, _Array) or value.value is None:
        raise UserError(f"{name:.80} is not an array")
    return value.value
