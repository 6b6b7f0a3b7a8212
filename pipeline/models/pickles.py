"""Follow a pickle's instructions as data: a file cannot choose what is imported or called.

Python's own unpickler calls any function that a file names, hashes any object that the file uses as
a key, and copies any list that the file turns into a tuple. Here a step costs no more than its
argument's size in the file, the keys of a dict are names and small numbers, and a file can only use
the few globals that the reader of its format provides.
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
        raise UserError("sets the state of an object that has none")


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
                raise UserError("is not a pickle of protocol 2, 3 or 4")
            if count >= self._most:
                raise UserError(f"has more than {self._most:,} instructions, too many for weights")
            if name == "STOP":
                return self._pop()
            self._step(name, argument)
        raise ValueError("the pickle has no end")

    def _step(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _VALUES:
            if type(argument) is int and argument.bit_length() > _MOST_BITS:
                raise UserError(f"holds a number of more than {_MOST_BITS} bits")
            stack.append(argument)
            return
        match name:
            case "BINPUT" | "LONG_BINPUT" | "PUT":
                if int(argument) > self._most:
                    raise UserError(f"contains a memo index above {self._most:,}")
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
                raise UserError(f"contains the instruction {name}, which no weights file needs")

    def _named(self, module: object, name: object) -> Global:
        if not isinstance(module, str) or not isinstance(name, str):
            raise UserError("names a global by something that is not text")
        try:
            return self._names[module, name]
        except KeyError:
            raise UserError(
                f"asks for {module[:60]}.{name[:60]}, which no weights file needs; nothing was run"
            ) from None

    def _top(self) -> Any:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise IndexError("an instruction has nothing to work on")
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
            raise UserError("appends to something that is not a list")
        target += items

    def _put(self, items: list[Any]) -> None:
        target = self._top()
        if type(target) is not dict:
            raise UserError("sets an item of something that is not a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[checked_key(key)] = value

    def _call(self) -> None:
        arguments, called = self._pop(), self._pop()
        if not isinstance(called, Global) or called.function is None:
            raise UserError("calls something that is not a function")
        if type(arguments) is not tuple or len(arguments) > _MOST_ARGUMENTS:
            raise UserError("calls a function with too many arguments")
        self._stack.append(called.function(*arguments))

    def _build(self) -> None:
        state, target = self._pop(), self._top()
        if isinstance(target, Global):
            raise UserError("tries to change a global")
        if type(target) is dict:  # attributes of torch's OrderedDict
            return
        if not isinstance(target, Made):
            raise UserError("sets the state of an object that has none")
        target.set_state(state)


def checked_key(key: object) -> str | int:
    """Return a dict key that costs little to hash and compare; raise UserError otherwise."""
    if type(key) is str and len(key) <= _LONGEST_KEY:
        return key
    if type(key) is int and abs(key) <= _LARGEST_KEY:
        return key
    kind = {str: "a long text", int: "a large number"}.get(type(key), f"a {type(key).__name__}")
    raise UserError(f"does not hold a dict from parameter name to array: a key is {kind}")
