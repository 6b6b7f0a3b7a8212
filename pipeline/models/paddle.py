"""Read a ``.pdparams`` file without Paddle and without running any code in it.

Such a file is a plain pickle of a dict from parameter name to numpy array (Paddle's
``python/paddle/framework/io.py``). A pickle is a program, so this reader gives it nothing to call.
Every global it may name is a harmless stand-in defined here, never a numpy object (numpy's own
``dtype.__setstate__`` trusts its caller). Arrays are made only from checked shapes and bytes.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from pipeline.base.errors import UserError

MAX_BYTES = 2**31
"""Largest file, and largest sum of its arrays, that is read: 20 times the size of ResNet50_vd."""
MAX_OPCODES = 50_000
"""Maximum number of pickle instructions; a ResNet50_vd has about 8,000."""

NAME_TABLE = "StructuredToParameterName@@"
BIG_TENSORS = "UnpackBigParamInfor@@"
_DTYPES = {"f2": "float16", "f4": "float32", "f8": "float64", "i8": "int64"}
_REFUSED_OPCODES = {"EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "INST", "OBJ"}
_PUT_OPCODES = {"PUT", "BINPUT", "LONG_BINPUT"}


def read(path: Path) -> dict[str, np.ndarray]:
    """Return the file's arrays by name: read-only float16, float32, float64 or int64.

    Accepts pickle protocols 2 to 4, both spellings of numpy's modules, ``(name, array)`` tuples,
    and the split tensors that Paddle writes above 1 GiB. Raises UserError for anything else.
    """
    if path.stat().st_size > MAX_BYTES:
        raise UserError(
            f"{path}: {path.stat().st_size:,} bytes is more than a weights file may have"
            f" ({MAX_BYTES:,})"
        )
    data = path.read_bytes()
    try:
        _inspect(data)
        _room.set(_Room())
        return _arrays(_Unpickler(io.BytesIO(data), encoding="latin1").load())
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except Exception as error:  # a hostile or broken pickle can make any operation fail
        reason = str(error)[:200] or type(error).__name__
        raise UserError(
            f"{path}: not a readable .pdparams file, or half of one: {reason}"
        ) from None


def _inspect(data: bytes) -> None:
    """Check the opcodes without running them; refuse what could exhaust memory or the stack."""
    end = 0
    for count, (opcode, argument, position) in enumerate(pickletools.genops(data)):
        if count == 0 and (opcode.name != "PROTO" or argument not in (2, 3, 4)):
            raise UserError("not a pickle of protocol 2, 3 or 4, as Paddle writes them")
        if count >= MAX_OPCODES:
            raise UserError(f"more than {MAX_OPCODES:,} instructions: not a file of weights")
        if opcode.name in _REFUSED_OPCODES:
            raise UserError(f"contains the instruction {opcode.name}, which Paddle never writes")
        # The C unpickler allocates its memo up to the largest index.
        if opcode.name in _PUT_OPCODES and int(argument or 0) > MAX_OPCODES:
            raise UserError("contains a memo index out of all proportion")
        end = (position or 0) + 1
    if end != len(data):
        raise UserError(f"{len(data) - end:,} bytes follow the end of the pickle")


class _Global:
    """A stand-in for a global that the pickle names; without state, so BUILD cannot change it."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: object) -> NoReturn:
        raise UserError("tries to alter a global")


class _DType:
    """A stand-in for numpy's dtype, checked before arrays are made with it."""

    __slots__ = ("value",)

    def __init__(self, code: object, *_flags: object) -> None:
        if not isinstance(code, str) or code not in _DTYPES:
            raise UserError(f"holds values of type {code!s:.20}; weights are {', '.join(_DTYPES)}")
        self.value = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        _version, order, *rest = state
        if order not in ("<", ">", "=", "|") or any(part is not None for part in rest[:3]):
            raise UserError("holds a structured or unknown data type")
        self.value = self.value.newbyteorder(order)


class _Room:
    """Counts the bytes that may still be unpickled, because one blob can be copied many times.

    The limit is twice the size of the arrays, because in protocol 2 each was text first.
    """

    def __init__(self) -> None:
        self.left = 2 * MAX_BYTES

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise UserError(f"holds far more than the {MAX_BYTES:,} bytes of arrays that are read")


_room: ContextVar[_Room] = ContextVar("_room")
"""The limit for the file that is being read."""


class _Array:
    """A stand-in for a numpy array, whose content is set by ``__setstate__``."""

    __slots__ = ("value",)

    def __init__(self, kind: object, shape: object, code: object) -> None:
        if kind is not _NDARRAY or shape != (0,) or code not in (b"b", "b"):
            raise UserError("rebuilds something that is not a plain array")
        self.value: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, fortran, data = state
        if isinstance(data, str):  # bytes of a pickle that Python 2 wrote
            data = data.encode("latin1")
        if not isinstance(dtype, _DType) or not isinstance(data, bytes):
            raise UserError("holds an array of objects")
        if not all(type(side) is int and 0 < side < MAX_BYTES for side in shape) or len(shape) > 8:
            raise UserError("holds an array of impossible shape")
        if len(data) != math.prod(shape) * dtype.value.itemsize:
            raise UserError(f"holds an array of shape {shape} with {len(data):,} bytes")
        _room.get().take(len(data))
        values = np.frombuffer(data, dtype.value).astype(dtype.value.newbyteorder("="), copy=False)
        self.value = values.reshape(shape, order="F" if fortran is True else "C")


def _encode(text: object, encoding: object) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise UserError("encodes something other than latin1 text")
    _room.get().take(len(text))
    return text.encode("latin1")


def _ordered_dict() -> dict[Any, Any]:
    return {}


def _not_callable(*_arguments: object) -> NoReturn:
    raise UserError("calls numpy.ndarray")


_NDARRAY = _Global(_not_callable)
_RECONSTRUCT = _Global(_Array)
_TUPLE = _Global(tuple)
_GLOBALS = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Global(_DType),
    ("_codecs", "encode"): _Global(_encode),
    ("collections", "OrderedDict"): _Global(_ordered_dict),
    ("builtins", "tuple"): _TUPLE,
    ("__builtin__", "tuple"): _TUPLE,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _GLOBALS[module, name]
        except KeyError:
            raise UserError(
                f"asks for {module:.60}.{name:.60}, which no file of weights needs; nothing was run"
            ) from None


def _arrays(content: Any) -> dict[str, np.ndarray]:
    """Check the unpickled content and unwrap it to arrays by name."""
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise UserError("does not hold a dict from parameter name to array")
    content.pop(NAME_TABLE, None)
    big = content.pop(BIG_TENSORS, {})
    arrays = {name: _array(name, value) for name, value in content.items()}
    if not arrays:
        raise UserError("holds no array")
    for name, parts in big.items():
        joined = np.concatenate([arrays.pop(part).ravel() for part in parts["slices"]])
        arrays[name] = joined.reshape(parts["OriginShape"])
    if (total := sum(array.nbytes for array in arrays.values())) > MAX_BYTES:
        raise UserError(f"holds {total:,} bytes of arrays; at most {MAX_BYTES:,} are read")
    return arrays


def _array(name: str, value: object) -> np.ndarray:
    if isinstance(value, tuple) and len(value) == 2:  # Paddle 2.1: (parameter name, array)
        value = value[1]
    if not isinstance(value, _Array) or value.value is None:
        raise UserError(f"{name:.80} is not an array")
    return value.value
