"""Templates: the shapes and dtypes that an executable is made for, and how given arrays differ from them."""

__all__ = ("Template", "check", "difference", "leaves_by_path", "struct_of", "template", "template_of")

from collections.abc import Sequence
from typing import Any

import numpy as np

from pulse_ai.numerics.compilers import load_jax
from pulse_ai.numerics.errors import BadArgument, TemplateMismatch
from pulse_ai.numerics.promotion import narrow_dtype
from pulse_ai.numerics.trees import map_leaves, paths_of

Size = int | str


class Template:
    """A leaf that stands for an array: its shape and dtype, without values. Made by ``template``.

    Attributes:
        shape: A size for each axis; a name stands for a size that ``Buckets`` gives.
        dtype: The dtype.
    """

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[Size, ...], dtype: np.dtype[Any]) -> None:
        self.shape = shape
        self.dtype = dtype

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and (self.shape, self.dtype) == (other.shape, other.dtype)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))

    def __repr__(self) -> str:
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]"


def template(*shape: Size, dtype: Any = "float32") -> Template:
    """Return a template of one array.

    Args:
        shape: The size of each axis, at least 0; or a name, whose sizes ``Buckets`` gives.
        dtype: The dtype; 64 bits become 32, as everywhere in numerics.

    Example:
        >>> template(4, 3), template("batch", dtype="int64")
        (float32[4,3], int32[batch])
    """
    return Template(shape, narrow_dtype(dtype))


def template_of(tree: Any) -> Any:
    """Return the template of each array in a tree; templates stay as they are.

    Raises:
        BadArgument: A leaf is neither an array nor a template.

    Example:
        >>> template_of({"x": np.zeros((2, 3))})
        {'x': float32[2,3]}
    """
    return map_leaves(_leaf_template, tree)


def struct_of(leaf: Any) -> Any:
    """Return JAX's own form of a template; any other leaf as it is."""
    return load_jax().ShapeDtypeStruct(leaf.shape, leaf.dtype) if isinstance(leaf, Template) else leaf


def _leaf_template(leaf: Any) -> Template:
    if isinstance(leaf, Template):
        return leaf
    if hasattr(leaf, "dtype") and hasattr(leaf, "shape"):
        return Template(tuple(leaf.shape), narrow_dtype(leaf.dtype))
    if isinstance(leaf, (bool, int, float, complex)):
        return Template((), narrow_dtype(np.asarray(leaf).dtype))
    raise BadArgument(f"a template needs arrays or template(...), got a {type(leaf).__name__}")


def check(
    expected: Sequence[tuple[str, Template]], names: Sequence[str], arguments: tuple[Any, ...], *, what: str
) -> None:
    """Refuse arguments that are not those of a template.

    Args:
        expected: The template's leaves by path, of all arguments.
        names: The arguments' names.
        arguments: What was given.
        what: The executable's name.

    Raises:
        TemplateMismatch: They differ; the text shows the two side by side.
    """
    given = leaves_by_path(arguments, names)
    if given != list(expected):
        raise TemplateMismatch(f"{what} was compiled for other arrays:\n{difference(expected, given)}")


def leaves_by_path(arguments: tuple[Any, ...], names: Sequence[str]) -> list[tuple[str, Template]]:
    """Return the template of each leaf of the arguments, by its path from the argument's name."""
    roots = [
        names[number] if number < len(names) else f"argument {number + 1}" for number in range(len(arguments))
    ]
    return [
        (path, _leaf_template(leaf))
        for root, argument in zip(roots, arguments, strict=True)
        for path, leaf in paths_of(argument, root)
    ]


def difference(expected: Sequence[tuple[str, Template]], given: Sequence[tuple[str, Template]]) -> str:
    """Return two templates side by side as text, with what differs said at the end of each line.

    Example:
        >>> print(difference([("x", template(2, 3))], [("x", template(2, 4))]))
          x  compiled for float32[2,3]  given float32[2,4]  <- axis 1 is 4, not 3
    """
    left, right = dict(expected), dict(given)
    rows = [
        (
            path,
            str(left.get(path, "nothing")),
            str(right.get(path, "nothing")),
            _why(left.get(path), right.get(path)),
        )
        for path in dict.fromkeys([*left, *right])
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        f"  {path:<{widths[0]}}  compiled for {wanted:<{widths[1]}}  given {got:<{widths[2]}}  {why}".rstrip()
        for path, wanted, got, why in rows
    )


def _why(wanted: Template | None, got: Template | None) -> str:
    if wanted is None or got is None:
        return "<- not expected" if wanted is None else "<- missing"
    reasons = [f"{got.dtype.name}, not {wanted.dtype.name}"] if got.dtype != wanted.dtype else []
    if len(got.shape) != len(wanted.shape):
        reasons.append(f"{len(got.shape)} axes, not {len(wanted.shape)}")
    else:
        pairs = enumerate(zip(got.shape, wanted.shape, strict=True))
        reasons += [f"axis {axis} is {size}, not {other}" for axis, (size, other) in pairs if size != other]
    return f"<- {'; '.join(reasons)}" if reasons else ""
