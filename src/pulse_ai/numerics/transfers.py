"""Moving arrays between NumPy and the device, and waiting for what the device computes."""

__all__ = ("on_device", "to_numpy", "wait_until_ready")

from typing import TypeVar

import numpy as np

from pulse_ai.numerics.compilers import load_jax
from pulse_ai.numerics.errors import CompilerMissing
from pulse_ai.numerics.trees import map_leaves, register_all

Tree = TypeVar("Tree")


def on_device(tree: Tree, *, platform: str | None = None) -> Tree:
    """Return a tree with its arrays on a device; functions run where their arrays are.

    Args:
        tree: Arrays of any library.
        platform: ``"cpu"`` or ``"gpu"``; None: the GPU where JAX has one, else the CPU.

    Raises:
        CompilerMissing: JAX is not installed, or has no such platform here.

    Example:
        >>> import numpy as np
        >>> on_device({"x": np.ones(2)})
        {'x': Array([1., 1.], dtype=float32)}
    """
    jax = load_jax()
    register_all(tree)
    if platform is None:
        return jax.device_put(tree)
    try:
        return jax.device_put(tree, jax.devices(platform)[0])
    except RuntimeError as error:
        raise CompilerMissing(f"XLA has no {platform!r} here: {error}") from error


def to_numpy(tree: Tree) -> Tree:
    """Return a tree with NumPy arrays, having waited for them.

    Example:
        >>> to_numpy(on_device([1.5]))
        [array(1.5, dtype=float32)]
    """
    return map_leaves(np.asarray, tree)


def wait_until_ready(tree: Tree) -> Tree:
    """Return a tree when its arrays are computed. XLA answers before it is done, so timings need this.

    Example:
        >>> wait_until_ready(on_device(1.5))
        Array(1.5, dtype=float32, weak_type=True)
    """
    return map_leaves(
        lambda leaf: leaf.block_until_ready() if hasattr(leaf, "block_until_ready") else leaf, tree
    )
