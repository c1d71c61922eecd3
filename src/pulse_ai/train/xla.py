"""JAX's modules, taken as untyped: its own annotations are partial, and strict checking stumbles over them."""

__all__ = ("jax", "jnp")

from typing import Any

import jax as _jax
import jax.numpy as _numpy

jax: Any = _jax
jnp: Any = _numpy
