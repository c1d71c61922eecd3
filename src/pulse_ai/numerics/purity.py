"""What compiled code cannot do, found before and while a function is compiled, with what to write instead.

A compiled function runs its Python once per shape. So a ``print`` shows no values, a global is read once and
never again, and a write to the outside happens at the wrong time. Most of this can be seen in the function's
bytecode before it runs; the rest is what JAX raises while it traces (``translation.py``).
"""

__all__ = ("Captured", "captured_by", "inspect_code", "warn_of_constants")

import dis
import inspect
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pulse_ai.numerics.compilers import is_xla_array
from pulse_ai.numerics.errors import PurityError, PurityWarning
from pulse_ai.numerics.promotion import is_numpy

_MOST_COMPARED = 64  # larger containers are compared by identity: a call must stay cheap
_MUTATORS = {"append", "extend", "insert", "update", "add", "setdefault", "pop", "popitem", "remove", "clear"}


@dataclass(frozen=True, slots=True)
class Captured:
    """A value from outside that a function reads, as it was when the function was compiled.

    Attributes:
        name: Its name in the function.
        kind: ``global`` or ``enclosing``.
        line: The line that reads it.
        value: The value itself.
        contents: A copy of what it held, where that can change in place and is small; else None.
        read: Gives the value that the name has now.
    """

    name: str
    kind: str
    line: int
    value: Any
    contents: Any
    read: Callable[[], Any]

    def check(self, function: str, file: str) -> None:
        """Refuse to go on with a compiled answer that the changed value would have changed.

        Raises:
            PurityError: The value is another one now, or holds something else.
        """
        now = self.read()
        if now is not self.value and not _equal(now, self.value):
            what = f"from {_short(self.value)} to {_short(now)}"
        elif self.contents is not None and not _equal(now, self.contents):
            what = f"in place, from {_short(self.contents)} to {_short(now)}"
        else:
            return
        raise PurityError(
            f"{file}:{self.line}: in {function}: the {self.kind} {self.name!r} changed {what} after the "
            "function was compiled; pass it as an argument, or as a static option (keyword-only)"
        )


def _equal(one: Any, other: Any) -> bool:
    if one is other or type(one) is not type(other):
        return one is other
    if is_numpy(one):
        return one.size <= _MOST_COMPARED and np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")
    if isinstance(one, (tuple, list)):  # part by part, because arrays in it have no single truth value
        return len(one) == len(other) and all(map(_equal, one, other))  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)  # pyright: ignore[reportUnknownVariableType]
    return isinstance(one, (bool, int, float, complex, str, bytes, set)) and bool(one == other)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def captured_by(function: Callable[..., Any]) -> tuple[Captured, ...]:
    """Return the values (not modules, functions or classes) that a function reads from outside of itself.

    Example:
        >>> scale = 2.0
        >>> [value.name for value in captured_by(lambda x: x * scale)]
        ['scale']
    """
    found: dict[str, Captured] = {}
    for part, instruction in _instructions(function):
        place = _outside(part, instruction)
        if place is None or instruction.argval in found:
            continue
        kind, read = place
        value = read()
        if not _is_code(value):
            line = _line(instruction, part.__code__)
            found[instruction.argval] = Captured(
                instruction.argval, kind, line, value, _contents(value), read
            )
    return tuple(found.values())


def _outside(part: types.FunctionType, instruction: dis.Instruction) -> tuple[str, Callable[[], Any]] | None:
    """Return how the name that an instruction loads is read from outside, or None."""
    name = instruction.argval
    if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
        names = part.__globals__
        return ("global", lambda: names.get(name)) if name in names else None
    if instruction.opname in ("LOAD_DEREF", "LOAD_CLASSDEREF") and name in part.__code__.co_freevars:
        cell = (part.__closure__ or ())[part.__code__.co_freevars.index(name)]
        return "enclosing", lambda: _cell_value(cell)
    return None


def _cell_value(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _is_code(value: Any) -> bool:
    return value is None or callable(value) or isinstance(value, types.ModuleType)


def _contents(value: Any) -> Any:
    if isinstance(value, (list, dict, set)):
        return value.copy() if len(value) <= _MOST_COMPARED else None  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if is_numpy(value):
        return value.copy() if value.size <= _MOST_COMPARED else None
    return None


def _instructions(function: Callable[..., Any]) -> Iterator[tuple[types.FunctionType, dis.Instruction]]:
    """Yield the instructions of a function, and of those of its module that it names."""
    waiting, seen = [function], set[types.CodeType]()
    while waiting:
        part = waiting.pop()
        if not isinstance(part, types.FunctionType) or part.__code__ in seen:
            continue
        seen.add(part.__code__)
        for instruction in _of_code(part.__code__):
            yield part, instruction
            place = _outside(part, instruction)
            called = inspect.unwrap(place[1]()) if place is not None and callable(place[1]()) else None
            if isinstance(called, types.FunctionType) and called.__module__ == part.__module__:
                waiting.append(called)


def _of_code(code: types.CodeType) -> Iterator[dis.Instruction]:
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _of_code(constant)


def _line(instruction: dis.Instruction, code: types.CodeType) -> int:
    position = instruction.positions
    return position.lineno if position is not None and position.lineno is not None else code.co_firstlineno


def inspect_code(function: Callable[..., Any], *, compiled: bool) -> None:
    """Warn of lines that do something to the outside, or print, and so do it when the function is compiled.

    Args:
        function: The user's function; functions of its module that it calls are looked at too.
        compiled: Whether it is about to be compiled; the evaluator may print.
    """
    before: dis.Instruction | None = None
    for part, instruction in _instructions(function):
        advice = _advice_on(part, instruction, before, compiled=compiled)
        if advice is not None:
            line = _line(instruction, part.__code__)
            warnings.warn_explicit(advice, PurityWarning, part.__code__.co_filename, line)
        before = instruction


def _advice_on(
    part: types.FunctionType, instruction: dis.Instruction, before: dis.Instruction | None, *, compiled: bool
) -> str | None:
    name, operation = instruction.argval, instruction.opname
    if operation in ("STORE_GLOBAL", "DELETE_GLOBAL") or (
        operation in ("STORE_DEREF", "DELETE_DEREF") and name in part.__code__.co_freevars
    ):
        return f"{name!r} outside of the function is assigned, once per compilation, not per call; return it"
    if operation == "LOAD_GLOBAL" and name == "print" and name not in part.__globals__ and compiled:
        return "print runs once, while compiling, and shows no values; use print_value(x)"
    if operation in ("LOAD_METHOD", "LOAD_ATTR") and name in _MUTATORS and before is not None:
        place = _outside(part, before)
        if place is not None and isinstance(place[1](), (list, dict, set)):
            return (
                f"{before.argval!r} outside of the function is changed, once per compilation, not per call; "
                "return the value, or use hook(name, value)"
            )
    return None


def warn_of_constants(captured: tuple[Captured, ...], function: str, file: str, limit_bytes: int) -> None:
    """Warn of large arrays that would be copied into the compiled function as constants."""
    for found in captured:
        is_array = isinstance(found.value, np.ndarray) or is_xla_array(found.value)
        if is_array and found.value.nbytes > limit_bytes:
            warnings.warn_explicit(
                f"in {function}: the {found.kind} array {found.name!r} ({found.value.nbytes} bytes) is baked "
                "into the compiled function as a constant; pass it as an argument",
                PurityWarning,
                file,
                found.line,
            )
