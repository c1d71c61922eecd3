"""The work of ``pulse bench matmul``, written once, and the backends that it is run on."""

__all__ = ("Backend", "ListMatrix", "Matrix", "backends", "chain", "chain_by_hand", "has_gpu", "product")

import operator
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np

from pulse_ai.numerics import (
    defn,
    devices,
    gelu,
    normalize,
    on_device,
    ops,
    softmax,
    using_compiler,
    wait_until_ready,
    xla_is_installed,
)

Matrix: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]


@defn
def product(a: Any, b: Any) -> Any:
    """Return the matrix product: the exercise, written once."""
    return ops.matmul(a, b)


@defn
def chain(x: Any) -> Any:
    """Return gelu(softmax(normalize(x))) of each row: memory traffic is what costs, and fusing saves it."""
    return gelu(softmax(normalize(x, axis=-1), axis=-1))


def chain_by_hand(x: Matrix) -> Matrix:
    """Return the same in NumPy as an expert writes it: in place, with one array to work in.

    Example:
        >>> x = np.arange(6, dtype=np.float32).reshape(2, 3)
        >>> bool(np.allclose(chain_by_hand(x), chain(x), atol=1e-6))
        True
    """
    y = x - x.mean(axis=-1, keepdims=True)
    y /= np.sqrt(np.einsum("nk,nk->n", y, y) / x.shape[-1])[:, None]
    y -= y.max(axis=-1, keepdims=True)
    np.exp(y, out=y)
    y /= y.sum(axis=-1, keepdims=True)
    inner = y * y
    inner *= y
    inner *= np.float32(0.044715)
    inner += y
    inner *= np.float32(0.7978845608028654)
    np.tanh(inner, out=inner)
    inner += 1
    inner *= y
    inner *= np.float32(0.5)
    return inner


class ListMatrix:
    """A matrix of Python lists: what the work costs where nothing is compiled.

    Args:
        rows: The rows, of Python floats.

    Example:
        >>> product.function(ListMatrix([[1.0, 2.0]]), ListMatrix([[3.0], [4.0]])).rows
        [[11.0]]
    """

    def __init__(self, rows: list[list[float]]) -> None:
        self.rows = rows

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        del api_version  # there is one product, whatever the version
        return SimpleNamespace(matmul=operator.matmul)

    def __matmul__(self, other: "ListMatrix") -> "ListMatrix":
        columns = [list(column) for column in zip(*other.rows, strict=True)]
        return ListMatrix([[sum(map(operator.mul, row, column)) for column in columns] for row in self.rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One way to run the work.

    Attributes:
        name: What it is called in the report.
        load: Puts a NumPy matrix where this backend works on it; not timed.
        run: Runs ``product``, or another ``defn``, and waits for the answer; timed.
        is_slow: Whether a run takes minutes at the largest size, so that it is run once there.
    """

    name: str
    load: Callable[[Matrix], Any]
    run: Callable[..., Any]
    is_slow: bool = False


def backends() -> tuple[Backend, ...]:
    """Return the backends of this machine: pure Python, NumPy, and XLA where it is installed, on each device.

    Example:
        >>> [backend.name for backend in backends()][:2]
        ['pure Python', 'NumPy']
    """
    found = [
        Backend(name="pure Python", load=lambda x: ListMatrix(x.tolist()), run=_on_lists, is_slow=True),
        Backend(name="NumPy", load=lambda x: x, run=_on_numpy),
    ]
    if xla_is_installed():
        found.append(Backend(name="XLA CPU", load=lambda x: on_device(x, platform="cpu"), run=_on_xla))
    if has_gpu():
        found.append(Backend(name="XLA GPU", load=lambda x: on_device(x, platform="gpu"), run=_on_xla))
    return tuple(found)


def has_gpu() -> bool:
    """Return whether XLA runs on a GPU here."""
    return any(device.startswith(("gpu", "cuda", "rocm")) for device in devices())


def _on_lists(work: Any, *matrices: Any) -> Any:
    return work.function(*matrices)


def _on_numpy(work: Any, *matrices: Any) -> Any:
    with using_compiler("evaluator"):
        return work(*matrices)


def _on_xla(work: Any, *matrices: Any) -> Any:
    return wait_until_ready(work(*matrices))
