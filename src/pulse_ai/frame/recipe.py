"""A recipe is fitted on a frame, and gives the same numbers for a frame, for a row, and as an ONNX graph."""

__all__ = ("Encoded", "FittedRecipe", "Recipe")

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from pulse_ai.frame.columns import Column
from pulse_ai.frame.steps import Step

if TYPE_CHECKING:
    import onnx
    import polars as pl


class Encoded(NamedTuple):
    """Rows as arrays, before the numeric part: texts are codes, dates are parts, nulls are NaN.

    Attributes:
        numbers: float64 of shape (rows, N); NaN where there is no value.
        codes: int64 of shape (rows, M); -1 where no category fits.
    """

    numbers: NDArray[np.float64]
    codes: NDArray[np.int64]


class Recipe(msgspec.Struct, frozen=True):
    """Steps in order, before they have seen a frame."""

    steps: tuple[Step, ...]

    def fit(self, frame: "pl.DataFrame | pl.LazyFrame", *, without: Sequence[str] = ()) -> "FittedRecipe":
        """Learn from the training frame; ``without`` names columns to leave out (the target, say)."""
        raise NotImplementedError


class FittedRecipe:
    """What a recipe has learned. Immutable; saved as JSON.

    Attributes:
        columns: The columns that a row needs.
        names: A name for each feature.
    """

    columns: tuple[Column, ...]
    names: tuple[str, ...]

    def transform(self, frame: "pl.DataFrame | pl.LazyFrame") -> NDArray[np.float32]:
        """Return the features of shape (rows, width)."""
        raise NotImplementedError

    def transform_batches(
        self, frame: "pl.DataFrame | pl.LazyFrame", *, rows: int = 65_536
    ) -> Iterator[NDArray[np.float32]]:
        """Give the features a batch at a time."""
        raise NotImplementedError

    def encode(self, rows: Sequence[Mapping[str, Any]]) -> Encoded:
        """Turn rows into arrays for the ONNX graph; raises InvalidInput at the first bad row."""
        raise NotImplementedError

    def transform_rows(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float32]:
        """Return the same features for rows as ``transform`` does for a frame."""
        raise NotImplementedError

    def to_onnx(self) -> "onnx.ModelProto":
        """Return the numeric part: ``numbers`` and ``codes`` to ``features`` float32 [batch, width]."""
        raise NotImplementedError

    def to_json(self) -> bytes:
        """Return the recipe as JSON."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, text: bytes | str) -> "FittedRecipe":
        """Read what ``to_json`` wrote."""
        raise NotImplementedError
