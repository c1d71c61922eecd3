"""Buckets: a few sizes stand for all of them, so that a service compiles a few times and never again.

Arrays are padded up to the smallest bucket that fits, and the answer is sliced back. What is padded must not
change the rest: a function that works row by row can be padded along its rows; one that mixes along an axis
(a softmax over a length, a mean) needs a mask as one of its arguments, which is padded with it.
"""

__all__ = ("Bucketed", "Buckets")

import itertools
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pulse_ai.numerics.errors import BadArgument, TemplateMismatch
from pulse_ai.numerics.executable import Executable, Maker
from pulse_ai.numerics.promotion import NumpyArray, plain
from pulse_ai.numerics.templates import Template, check, leaves_by_path, template_of
from pulse_ai.numerics.trees import leaves_of, map_leaves


class Buckets:
    """The sizes to which named axes are padded.

    Args:
        sizes: For each axis name, its sizes, rising and at least 1.

    Raises:
        BadArgument: An axis has no sizes, or they do not rise from at least 1.

    Example:
        >>> Buckets(batch=(1, 2, 4, 8)).fit("batch", 3)
        4
    """

    def __init__(self, **sizes: tuple[int, ...]) -> None:
        for name, given in sizes.items():
            if not given or list(given) != sorted(set(given)) or given[0] < 1:
                raise BadArgument(f"buckets of {name!r} must rise from at least 1, got {given}")
        self.sizes: Mapping[str, tuple[int, ...]] = dict(sizes)

    def fit(self, name: str, size: int) -> int:
        """Return the smallest bucket of an axis that holds a size.

        Raises:
            TemplateMismatch: The size is over the largest bucket.
        """
        for bucket in self.sizes[name]:
            if size <= bucket:
                return bucket
        raise TemplateMismatch(
            f"axis {name!r} has size {size}, over its largest bucket {self.sizes[name][-1]}; split it, or "
            "add a bucket"
        )

    def __iter__(self) -> Iterator[dict[str, int]]:
        """Go through every combination of sizes."""
        for combination in itertools.product(*self.sizes.values()):
            yield dict(zip(self.sizes, combination, strict=True))

    def __repr__(self) -> str:
        return f"Buckets({', '.join(f'{name}={sizes}' for name, sizes in self.sizes.items())})"


class Bucketed:
    """A function compiled for each bucket, at its first use or by ``warm``. Made by ``compile`` with buckets.

    It takes arrays of any size that fits a bucket, and gives NumPy arrays.

    Example:
        >>> from pulse_ai.numerics import compile, template
        >>> double = compile(lambda x: x * 2, (template("batch"),), buckets=Buckets(batch=(2, 4)))
        >>> double(np.ones(3, np.float32)), double.compiled
        (array([2., 2., 2.], dtype=float32), ({'batch': 4},))
    """

    def __init__(self, maker: Maker, buckets: Buckets, *, cuts: list[dict[int, str]] | None = None) -> None:
        named = {size for leaf in leaves_of(maker.templates) for size in leaf.shape if isinstance(size, str)}
        if named != set(buckets.sizes):
            raise BadArgument(
                f"the templates name the axes {sorted(named)}, but the buckets {sorted(buckets.sizes)}"
            )
        self.maker = maker
        self.buckets = buckets
        self._expected = leaves_by_path(maker.templates, maker.names)
        self._made: dict[tuple[int, ...], Executable] = {}
        self._making = threading.Lock()
        self._cuts = cuts

    @property
    def compiled(self) -> tuple[dict[str, int], ...]:
        """The buckets that are compiled so far."""
        return tuple(dict(zip(self.buckets.sizes, key, strict=True)) for key in self._made)

    def warm(self) -> Iterator[tuple[dict[str, int], Executable]]:
        """Compile every bucket, one at each step of the iterator, which gives its sizes and executable."""
        for sizes in self.buckets:
            yield sizes, self._executable(sizes)

    def sized(self, sizes: Mapping[str, int]) -> tuple[Any, ...]:
        """Return the templates with each named axis at a size."""
        return _sized(self.maker.templates, sizes)

    def __call__(self, *arguments: Any) -> Any:
        """Pad, run, and slice back.

        Raises:
            TemplateMismatch: The arrays do not fit the template, or are over the largest bucket.
        """
        given = self._sizes_of(arguments)
        padded = {name: self.buckets.fit(name, size) for name, size in given.items()}
        run = self._executable(padded)
        leaves = iter(leaves_of(self.maker.templates))
        ready = map_leaves(lambda leaf: _padded(leaf, next(leaves), padded), arguments)
        return self._sliced(run.run(*ready), given)

    def _sizes_of(self, arguments: tuple[Any, ...]) -> dict[str, int]:
        """Return the size of each named axis, having checked everything else."""
        found: dict[str, int] = {}
        shapes = [leaf.shape for leaf in leaves_of(template_of(arguments))]
        for leaf, shape in zip(leaves_of(self.maker.templates), shapes, strict=False):
            for size, given in zip(leaf.shape, shape, strict=False):
                if isinstance(size, str):
                    found.setdefault(size, given)
        expected = [(path, _with_sizes(leaf, found)) for path, leaf in self._expected]
        check(expected, self.maker.names, arguments, what=self.maker.name)
        return found

    def _executable(self, sizes: Mapping[str, int]) -> Executable:
        key = tuple(sizes[name] for name in self.buckets.sizes)
        with self._making:
            if key not in self._made:
                self._made[key] = self.maker.build(_sized(self.maker.templates, sizes))
            return self._made[key]

    def _sliced(self, answer: Any, sizes: Mapping[str, int]) -> Any:
        cuts = iter(self.cuts())
        return map_leaves(lambda leaf: _cut(np.asarray(leaf), next(cuts), sizes), answer)

    def cuts(self) -> list[dict[int, str]]:
        """Return for each leaf of the answer which of its axes grow with which name."""
        if self._cuts is None:
            self._cuts = self._find_cuts()
        return self._cuts

    def _find_cuts(self) -> list[dict[int, str]]:
        """Ask for the answer's shapes at two sizes of one axis, the others staying as they are."""
        base = {name: sizes[0] for name, sizes in self.buckets.sizes.items()}
        before = self._answer_shapes(base)
        cuts = [dict[int, str]() for _ in before]
        for name, sizes in self.buckets.sizes.items():
            size = sizes[-1] if sizes[-1] != base[name] else 2 * sizes[-1]
            after = self._answer_shapes({**base, name: size})
            for cut, old, new in zip(cuts, before, after, strict=True):
                for axis in _grown(old, new):
                    if (old[axis], new[axis]) != (base[name], size):
                        raise BadArgument(
                            f"axis {axis} of the answer of {self.maker.name} is {new[axis]} where {name!r} is "
                            f"{size}: only an axis of the same size can be sliced back"
                        )
                    if axis in cut:
                        raise BadArgument(
                            f"axis {axis} of the answer of {self.maker.name} grows with {cut[axis]!r} and with "
                            f"{name!r}: only an axis that follows one of them can be sliced back"
                        )
                    cut[axis] = name
        return cuts

    def _answer_shapes(self, sizes: Mapping[str, int]) -> list[tuple[int, ...]]:
        return [leaf.shape for leaf in leaves_of(self.maker.answers(self.sized(sizes)))]


def _grown(old: tuple[int, ...], new: tuple[int, ...]) -> list[int]:
    """Return the axes whose sizes differ."""
    return [axis for axis, (one, two) in enumerate(zip(old, new, strict=True)) if one != two]


def _with_sizes(leaf: Template, sizes: Mapping[str, int]) -> Template:
    return Template(
        tuple(sizes.get(size, size) if isinstance(size, str) else size for size in leaf.shape), leaf.dtype
    )


def _sized(templates: tuple[Any, ...], sizes: Mapping[str, int]) -> tuple[Any, ...]:
    return map_leaves(lambda leaf: _with_sizes(leaf, sizes), templates)


def _padded(leaf: Any, expected: Template, sizes: Mapping[str, int]) -> NumpyArray:
    array = plain(leaf)
    wanted = _with_sizes(expected, sizes).shape
    if array.shape == wanted:
        return array
    room = np.zeros([int(size) for size in wanted], expected.dtype)
    room[tuple(slice(size) for size in array.shape)] = array
    return room


def _cut(array: NumpyArray, names: Mapping[int, str], sizes: Mapping[str, int]) -> NumpyArray:
    cuts = tuple(slice(sizes[names[axis]]) if axis in names else slice(None) for axis in range(array.ndim))
    return np.asarray(array[cuts])
