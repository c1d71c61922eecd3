"""A task that serves a compiled function behind the ordinary batching service."""

__all__ = ("FunctionTask",)

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pulse_ai.core import Failure, Task
from pulse_ai.numerics.buckets import Bucketed
from pulse_ai.numerics.compilers import devices
from pulse_ai.numerics.errors import BadArgument, NumericsError
from pulse_ai.numerics.promotion import NumpyArray
from pulse_ai.numerics.saved import load
from pulse_ai.numerics.templates import Template
from pulse_ai.numerics.trees import map_leaves

_BATCH = "batch"


class FunctionTask(Task):
    """Serves a function that was compiled with buckets, one of which is named ``batch``.

    Each positional argument is one array whose first axis is ``batch``. An item is one row of it, as nested
    lists; or, where there are several arguments, an object with a row under each argument's name. Rows may
    differ along other named axes: they are padded together, and each answer is cut back to its own size.

    Args:
        target: ``module:name`` of what ``compile(..., buckets=...)`` gave, or the path of a file that holds
            what ``serialize`` gave.

    Example:
        >>> import tempfile
        >>> from pulse_ai.numerics import Buckets, compile, serialize, softmax, template
        >>> compiled = compile(softmax, (template("batch", 2),), buckets=Buckets(batch=(1, 4)))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "softmax.pulse-fn"
        ...     _ = path.write_bytes(serialize(compiled))
        ...     task = FunctionTask(str(path))
        ...     task.load()
        >>> task.predict([[0.0, 0.0], [1.0], [0.0, 100.0]])
        [[0.5, 0.5], Failure(why='x has shape (1,), not (2,)'), [0.0, 1.0]]
    """

    def __init__(self, target: str) -> None:
        self._target = target

    def load(self) -> None:
        """Read the function and compile every bucket.

        Raises:
            BadArgument: What was named has no buckets, or none named ``batch``.
            SavedFunctionError: The file holds no function that can run here.
        """
        self._compiled = _find(self._target)
        number = len(list(self._compiled.buckets))
        for done, (sizes, _) in enumerate(self._compiled.warm(), start=1):
            self.report_progress(done / number, f"compiled {self._compiled.maker.name} for {sizes}")

    def predict(self, items: list[Any]) -> list[Any]:
        """Answer each item with nested lists, or with a ``Failure`` where it does not fit the template."""
        rows = [self._row(item) for item in items]
        good = [row for row in rows if not isinstance(row, Failure)]
        most = self._compiled.buckets.sizes[_BATCH][-1]
        answers = iter(
            answer
            for start in range(0, len(good), most)
            for answer in self._batch(good[start : start + most])
        )
        return [row if isinstance(row, Failure) else next(answers) for row in rows]

    def describe(self) -> dict[str, Any]:
        """Return the function's name, templates, buckets and devices."""
        maker = self._compiled.maker
        return {
            "function": maker.name,
            "arguments": {name: repr(leaf) for name, leaf in zip(maker.names, maker.templates, strict=True)},
            "buckets": {name: list(sizes) for name, sizes in self._compiled.buckets.sizes.items()},
            "devices": list(devices()),
        }

    def _row(self, item: Any) -> "list[NumpyArray] | Failure":
        """Return an item's array for each argument."""
        maker = self._compiled.maker
        if len(maker.names) == 1:
            item = {maker.names[0]: item}
        if not isinstance(item, Mapping) or set(item) != set(maker.names):  # pyright: ignore[reportUnknownArgumentType]
            return Failure(f"an item needs {', '.join(maker.names)}, one row each")
        try:
            row = [
                self._array(item[name], leaf, name)
                for name, leaf in zip(maker.names, maker.templates, strict=True)
            ]
            self._sizes_of(row)
        except (ValueError, TypeError, OverflowError) as error:  # TemplateMismatch is a ValueError
            return Failure(str(error))
        return row

    def _array(self, value: Any, leaf: Template, name: str) -> NumpyArray:
        array = _as_kind(value, leaf.dtype, name)
        wanted = leaf.shape[1:]
        if len(array.shape) != len(wanted):
            raise ValueError(f"{name} has shape {array.shape}, not {wanted}")
        for size, given in zip(wanted, array.shape, strict=True):
            if isinstance(size, str):
                self._compiled.buckets.fit(size, given)
            elif size != given:
                raise ValueError(f"{name} has shape {array.shape}, not {wanted}")
        return array

    def _sizes_of(self, row: list[NumpyArray]) -> dict[str, int]:
        """Return the size of each named axis of an item.

        Raises:
            ValueError: Two arguments differ in it. Padded beside larger items they would seem to agree, or would
                seem to be wrong for the whole batch.
        """
        sizes: dict[str, int] = {}
        maker = self._compiled.maker
        for argument, leaf, array in zip(maker.names, maker.templates, row, strict=True):
            for axis, size in zip(leaf.shape[1:], array.shape, strict=True):
                if isinstance(axis, str) and sizes.setdefault(axis, size) != size:
                    raise ValueError(
                        f"{argument} has size {size} along {axis!r}, where another argument has {sizes[axis]}"
                    )
        return sizes

    def _batch(self, rows: list[list[NumpyArray]]) -> list[Any]:
        """Run one batch, and cut each answer to the sizes of its own item."""
        try:
            answer = self._compiled(
                *(_stacked([row[column] for row in rows]) for column in range(len(rows[0])))
            )
        except NumericsError as error:
            return [Failure(str(error)) for _ in rows]
        return [self._answer(answer, number, row) for number, row in enumerate(rows)]

    def _answer(self, answer: Any, number: int, row: list[NumpyArray]) -> Any:
        sizes = self._sizes_of(row)
        cuts = iter(self._compiled.cuts())
        return map_leaves(lambda leaf: _cut(leaf, number, next(cuts), sizes).tolist(), answer)


def _find(target: str) -> Bucketed:
    if Path(target).is_file():
        found: Any = load(Path(target).read_bytes())
    else:
        module, _, name = target.partition(":")
        found = getattr(importlib.import_module(module), name, None)
    if not isinstance(found, Bucketed) or _BATCH not in found.buckets.sizes:
        raise BadArgument(f"{target!r} must be compiled with buckets, one of them named {_BATCH!r}")
    if not all(isinstance(leaf, Template) and leaf.shape[:1] == (_BATCH,) for leaf in found.maker.templates):
        raise BadArgument(f"each argument of {target!r} must be one array with {_BATCH!r} as its first axis")
    if not all(names.get(0) == _BATCH for names in found.cuts()):
        raise BadArgument(f"each part of the answer of {target!r} must have {_BATCH!r} as its first axis")
    return found


def _as_kind(value: Any, dtype: Any, name: str) -> NumpyArray:
    """Return nested lists of numbers as an array; null is NaN.

    Raises:
        ValueError: Something in them is no number, or one that the dtype does not have: 1.5 is no integer.
    """
    given = np.asarray(value)
    if given.dtype.kind == "O" and all(one is None or isinstance(one, int | float) for one in given.flat):
        given = np.asarray(value, np.float64)
    if given.dtype.kind not in "biuf":
        raise ValueError(f"{name} takes numbers in nested lists, all of one length")
    with np.errstate(all="ignore"):
        array = given.astype(dtype)
        kept = array == given if array.dtype.kind in "biu" else np.isfinite(array) | ~np.isfinite(given)
    if not np.all(kept):
        raise ValueError(f"{name} takes {array.dtype}, and {given[~kept][0]} is none")
    return array


def _stacked(rows: list[NumpyArray]) -> NumpyArray:
    """Stack rows of different sizes, with zeros where one is shorter."""
    most = tuple(max(sizes) for sizes in zip(*(row.shape for row in rows), strict=True))
    room = np.zeros((len(rows), *most), rows[0].dtype)
    for number, row in enumerate(rows):
        room[(number, *(slice(size) for size in row.shape))] = row
    return room


def _cut(leaf: NumpyArray, number: int, names: Mapping[int, str], sizes: Mapping[str, int]) -> NumpyArray:
    return leaf[number][
        tuple(slice(sizes[names[axis]]) if axis in names else slice(None) for axis in range(1, leaf.ndim))
    ]
