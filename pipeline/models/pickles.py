"""Follow a pickle's instructions as data: nothing is imported, called or hashed that it chooses.

Python's own unpickler hashes what a file makes a key of, copies what it makes a tuple of and calls
what it names. Here every step costs at most what its argument takes in the file, a dict has only
names and small numbers as keys, and the few globals a format needs are given by its reader.
"""

import io
import pickletools
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.base.errors import UserError

LEAST_ROOM = 2**28
"""Bytes that any file may unpack to; a ResNet50_vd has 103 million."""
MOST_EXPANSION = 4
"""A larger file may unpack to this many times its size, since 8-bit numbers become float32."""
_LONGEST_KEY = 1000
_LARGEST_KEY = 2**32
"""Multiples of 2**61 - 1 have one hash: a dict of 150,000 of them takes minutes."""
_MOST_ARGUMENTS = 16
_MOST_BITS = 128

_VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
"""Instructions whose argument is the value itself: a number, a text or bytes."""


class Room:
    """The number of bytes that a file may still unpack to."""

    def __init__(self, file_bytes: int) -> None:
        self.most = max(LEAST_ROOM, MOST_EXPANSION * file_bytes)
        self.left = self.most

    def take(self, size: int) -> None:
        """Raise UserError when less than ``size`` is left."""
        self.left -= size
        if self.left < 0:
            raise UserError(f"would take more than {self.most:,} bytes of memory")


class Made:
    """An object made by a reader's function; only such objects accept a state."""

    def set_state(self, state: Any) -> None:
        raise UserError("gives a state to what has none")


Function = Callable[..., Any]


class Global:
    """A function or a constant that a pickle may name."""

    def __init__(self, function: Function | None = None) -> None:
        self.function = function


class Pickle:
    """A pickle in ``data`` from ``start`` to ``end``, which :meth:`value` finds."""

    def __init__(
        self,
        data: bytes,
        names: Mapping[tuple[str, str], Global],
        *,
        most_steps: int,
        persistent: Function | None = None,
    ) -> None:
        self._file = io.BytesIO(data)
        self._names = names
        self._most = most_steps
        self._persistent = persistent
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    @property
    def end(self) -> int:
        return self._file.tell()

    def value(self, start: int = 0) -> Any:
        """Return what the pickle holds.

        Raises UserError for anything that no weights file contains. Raises ValueError, IndexError
        or KeyError for a damaged file.
        """
        self._file.seek(start)
        self._stack, self._marks, self._memo = [], [], {}
        for count, (opcode, argument, _) in enumerate(pickletools.genops(self._file)):
            name = opcode.name
            if count == 0 and (name != "PROTO" or argument not in (2, 3, 4)):
                raise UserError("not a pickle of protocol 2, 3 or 4, as files of weights are")
            if count >= self._most:
                raise UserError(f"more than {self._most:,} instructions: not a file of weights")
            if name == "STOP":
                return self._pop()
            self._step(name, argument)
        raise ValueError("the pickle does not end")

    def _step(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _VALUES:
            if type(argument) is int and argument.bit_length() > _MOST_BITS:
                raise UserError("holds a number out of all proportion")
            stack.append(argument)
            return
        match name:
            case "BINPUT" | "LONG_BINPUT" | "PUT":
                if int(argument) > self._most:
                    raise UserError("contains a memo index out of all proportion")
                self._memo[int(argument)] = self._top()
            case "MEMOIZE":
                self._memo[len(self._memo)] = self._top()
            case "BINGET" | "LONG_BINGET" | "GET":
                stack.append(self._memo[int(argument)])
            case "MARK":
                self._marks.append(len(stack))
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(name == "NEWTRUE")
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple([self._pop() for _ in range(int(name[-1]))][::-1]))
            case "TUPLE":
                stack.append(tuple(self._marked()))
            case "EMPTY_LIST":
                stack.append([])
            case "LIST":
                stack.append(self._marked())
            case "APPEND":
                self._extend([self._pop()])
            case "APPENDS":
                self._extend(self._marked())
            case "EMPTY_DICT":
                stack.append({})
            case "DICT":
                items = self._marked()
                stack.append({})
                self._put(items)
            case "SETITEM":
                value = self._pop()
                self._put([self._pop(), value])
            case "SETITEMS":
                self._put(self._marked())
            case "GLOBAL":
                module, _, attribute = argument.partition(" ")
                stack.append(self._named(module, attribute))
            case "STACK_GLOBAL":
                attribute = self._pop()
                stack.append(self._named(self._pop(), attribute))
            case "REDUCE":
                self._call()
            case "BUILD":
                self._build()
            case "BINPERSID" if self._persistent:
                stack.append(self._persistent(self._pop()))
            case "DUP":
                stack.append(self._top())
            case "POP":
                if self._marks and len(stack) == self._marks[-1]:
                    self._marks.pop()
                else:
                    self._pop()
            case "POP_MARK":
                self._marked()
            case "PROTO" | "FRAME":
                pass
            case _:
                raise UserError(f"contains the instruction {name}, which no file of weights needs")

    def _named(self, module: object, name: object) -> Global:
        if not isinstance(module, str) or not isinstance(name, str):
            raise UserError("names a global by something other than text")
        try:
            return self._names[module, name]
        except KeyError:
            raise UserError(
                f"asks for {module[:60]}.{name[:60]}, which no file of weights needs;"
                " nothing was run"
            ) from None

    def _top(self) -> Any:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise IndexError("an instruction finds nothing to work on")
        return self._stack[-1]

    def _pop(self) -> Any:
        self._top()
        return self._stack.pop()

    def _marked(self) -> list[Any]:
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _extend(self, items: list[Any]) -> None:
        target = self._top()
        if type(target) is not list:
            raise UserError("appends to what is no list")
        target += items

    def _put(self, items: list[Any]) -> None:
        target = self._top()
        if type(target) is not dict:
            raise UserError("sets an item of what is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[checked_key(key)] = value

    def _call(self) -> None:
        arguments, called = self._pop(), self._pop()
        if not isinstance(called, Global) or called.function is None:
            raise UserError("calls what is no function")
        if type(arguments) is not tuple or len(arguments) > _MOST_ARGUMENTS:
            raise UserError("calls a function with too many arguments")
        self._stack.append(called.function(*arguments))

    def _build(self) -> None:
        state, target = self._pop(), self._top()
        if isinstance(target, Global):
            raise UserError("tries to alter a global")
        if type(target) is dict:  # attributes of torch's OrderedDict
            return
        if not isinstance(target, Made):
            raise UserError("gives a state to what has none")
        target.set_state(state)


def checked_key(key: object) -> str | int:
    """Return a key of a dict that costs little to hash and to compare; raise UserError else."""
    if type(key) is str and len(key) <= _LONGEST_KEY:
        return key
    if type(key) is int and abs(key) <= _LARGEST_KEY:
        return key
    kind = {str: "a long text", int: "a large number"}.get(type(key), f"a {type(key).__name__}")
    raise UserError(f"does not hold a dict from parameter name to array: a key is {kind}")
