"""JAX's modules, taken as untyped: its own annotations are partial, and strict checking stumbles over them."""

__all__ = ("jax", "jnp")

from importlib.util import find_spec
from typing import Any

from pulse_ai.train.errors import LibrariesMissing

for _name in ("jax", "flax", "optax"):
    if find_spec(_name) is None:
        raise LibrariesMissing(_name)

import jax as _jax  # noqa: E402 - after the check
import jax.numpy as _numpy  # noqa: E402

jax: Any = _jax
jnp: Any = _numpy
