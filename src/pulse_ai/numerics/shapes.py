"""Shapes in annotations, by jaxtyping where it is at work.

``Float[Array, "batch classes"]`` documents a shape, and tests check it as the functions run. An install for
use has no jaxtyping, and importing it would take longer than the rest of this room, so it is used only where
it is loaded already (its pytest plug-in does that before anything else is imported).
"""

__all__ = ("Array", "Bool", "Float", "Int", "Num", "UInt32")

import sys
from typing import TYPE_CHECKING, Any

Array = Any
"""An array of any library: NumPy's, JAX's, or the evaluator's."""


class _AnyShape:
    """Stands for a jaxtyping kind where shapes are not checked: ``Float[Array, "n"]`` is then ``Any``."""

    def __class_getitem__(cls, _shape: object) -> Any:
        return Any


if TYPE_CHECKING or sys.modules.get("jaxtyping") is not None:
    from jaxtyping import Bool, Float, Int, Num, UInt32
else:
    Bool = Float = Int = Num = UInt32 = _AnyShape
