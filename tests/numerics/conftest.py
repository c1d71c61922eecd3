"""Numerics is tested with strict dtypes and ranks: nothing is promoted or broadcast by accident."""

from collections.abc import Iterator
from typing import Any

import pytest

from pulse_ai.numerics import strict, xla_is_installed

needs_xla = pytest.mark.skipif(not xla_is_installed(), reason="JAX is not installed")


@pytest.fixture(autouse=True)
def strictness() -> Iterator[None]:
    with strict():
        yield


@pytest.fixture(params=["evaluator", pytest.param("xla", marks=needs_xla)])
def compiler(request: pytest.FixtureRequest) -> Any:
    return request.param
