"""Whole numbers of different dtypes meet on the evaluator as they do on XLA: in 32 bits."""

import numpy as np
import pytest

from pulse_ai.numerics import jit, ops, xla_is_installed
from pulse_ai.numerics.compilers import holding

pytestmark = pytest.mark.skipif(not xla_is_installed(), reason="JAX is not installed")
NAMES = ("equal", "less", "greater_equal", "add", "maximum", "minimum", "bitwise_right_shift")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["int8", "int32"])
def test_whole_numbers_with_and_without_sign_meet_in_32_bits(name: str, dtype: str) -> None:
    import jax

    signed = np.array([-1, 0, 1, 5, 7], dtype)
    unsigned = np.array([2**32 - 1, 2**31, 1, 9, 3], np.uint32)
    operation = getattr(ops, name)
    given = (unsigned, np.abs(signed)) if "shift" in name else (signed, unsigned)
    with holding(strict=False), jax.numpy_dtype_promotion("standard"):
        ours, theirs = jit(operation, compiler="evaluator")(*given), jit(operation, compiler="xla")(*given)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)
