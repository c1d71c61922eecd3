"""A recipe is fitted on a frame, and gives the same numbers for a frame, for a row, and as an ONNX graph."""

__all__ = ("FittedRecipe", "Recipe")

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from pulse_ai.core import InvalidInput, available_cores
from pulse_ai.frame.batches import (
    Encoded,
    batch_rows,
    batches_of,
    encode_frame,
)
from pulse_ai.frame.columns import Column, kind_of
from pulse_ai.frame.errors import RecipeError
from pulse_ai.frame.features import emit_features, write_features
from pulse_ai.frame.fitted import FittedStep
from pulse_ai.frame.graph import GraphWriter
from pulse_ai.frame.learning import learn
from pulse_ai.frame.rows import RowEncoder
from pulse_ai.frame.steps import Step
from pulse_ai.frame.table import Table

if TYPE_CHECKING:
    import onnx
    import polars as pl

_FORMAT = "pulse-recipe"
_VERSION = 1
_NUMBERS = ("number", "integer")


class Recipe(msgspec.Struct, frozen=True):
    """Steps in order, before they have seen a frame.

    Attributes:
        steps: The steps; each sees the table as the ones before it left it.

    Example:
        >>> import polars as pl
        >>> from pulse_ai.frame import Impute, OneHot, Standardise
        >>> frame = pl.DataFrame({"area": [50.0, None, 70.0], "town": ["Bern", "Thun", "Bern"]})
        >>> fitted = Recipe((Impute("numbers"), Standardise(), OneHot())).fit(frame)
        >>> fitted.names
        ('area', 'town=Bern', 'town=Thun')
        >>> fitted.transform_rows([{"area": 60, "town": "Basel"}])
        array([[0., 0., 0.]], dtype=float32)
    """

    steps: tuple[Step, ...]

    def fit(
        self,
        frame: "pl.DataFrame | pl.LazyFrame",
        *,
        without: Sequence[str] = (),
        nullable: Sequence[str] = (),
    ) -> "FittedRecipe":
        """Learn from the training frame.

        Args:
            frame: At least one row. A lazy frame is streamed, once for what the columns are and once for each
                group of steps that do not build on each other; means, deviations, ranges and categories of a
                column whose nulls were filled need no pass of their own. Memory stays bounded, but for a million
                values of each column whose quantiles are wanted.
            without: Columns to leave out, such as the target.
            nullable: Columns that may be null elsewhere, though they are not in this frame.

        Raises:
            RecipeError: A step does not fit the frame. Nothing is fitted then.
        """
        columns, steps = learn(self.steps, frame, without, nullable)
        return FittedRecipe(columns, steps)


class _Saved(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    version: int
    columns: tuple[Column, ...]
    steps: tuple[FittedStep, ...]


class FittedRecipe:
    """What a recipe has learned. Immutable; made by ``Recipe.fit`` or ``from_json``.

    Args:
        columns: The columns that came in; those that no step uses are left out.
        steps: The fitted steps.

    Attributes:
        columns: The columns that a row needs.
        steps: The fitted steps.
        names: A name for each feature.

    Raises:
        RecipeError: The steps do not fit the columns, or leave no feature.
    """

    def __init__(self, columns: Sequence[Column], steps: Sequence[FittedStep]) -> None:
        table = Table.of(columns)
        for step in steps:
            step.apply(table)
        self._program = table.program()
        self.steps = tuple(steps)
        self.columns = tuple(
            msgspec.structs.replace(column, nullable=column.nullable or column.name in table.filled)
            for column in columns
            if column.name in self._program.used
        )
        self._by_name = {column.name: column for column in self.columns}
        self.names = self._program.names
        if not self.names:
            raise RecipeError("the recipe leaves no feature; keep at least one column")
        self._rows = RowEncoder(self.columns, self._program)

    @property
    def width(self) -> int:
        """How many features there are."""
        return len(self.names)

    def transform(self, frame: "pl.DataFrame | pl.LazyFrame") -> NDArray[np.float32]:
        """Return the features of shape (rows, width). Columns that the recipe does not use do not matter.

        Raises:
            RecipeError: A column is missing or of another kind than in training, has nulls that nothing
                fills, or holds numbers that are too large.
        """
        height: int | None = getattr(frame, "height", None)
        if height is None:  # a lazy frame does not know
            parts = list(self.transform_batches(frame))
            return np.concatenate(parts) if parts else np.empty((0, self.width), np.float32)
        self._check_kinds(frame)
        features = np.zeros((height, self.width), np.float32)
        rows = batch_rows(self._inputs)
        with ThreadPoolExecutor(available_cores()) as pool:
            jobs: list[Future[None]] = []
            for number, batch in enumerate(self._batches(frame, rows)):
                first = number * rows
                jobs.append(pool.submit(self._fill, batch, features[first : first + rows], first))
            for job in jobs:
                job.result()
        return features

    def transform_batches(
        self, frame: "pl.DataFrame | pl.LazyFrame", *, rows: int | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """Give the features a batch at a time; a lazy frame is streamed.

        Args:
            frame: See ``transform``.
            rows: Most rows of a batch; None takes as many as are quick and take little memory.

        Raises:
            RecipeError: See ``transform``.
        """
        self._check_kinds(frame)
        first = 0
        for batch in self._batches(frame, rows or batch_rows(max(self._inputs, self.width))):
            features = np.zeros((batch.height, self.width), np.float32)
            self._fill(batch, features, first)
            first += batch.height
            yield features

    def encode(self, rows: Sequence[Mapping[str, Any]]) -> Encoded:
        """Turn rows into the inputs of the ONNX graph, without Polars.

        Args:
            rows: Values by column name. A column that is missing counts as null; other keys do not matter.

        Raises:
            InvalidInput: A row has a value of the wrong type, or lacks one that training never lacked.
        """
        return self._rows.encode(rows)

    def encode_row(self, row: Mapping[str, Any]) -> tuple[list[float], list[int]]:
        """Return one row's numbers and codes, for ``join_rows``; a bad row is told apart from its neighbours so.

        Raises:
            InvalidInput: See ``encode``.
        """
        return self._rows.encode_row(row)

    def join_rows(self, encoded: Sequence[tuple[list[float], list[int]]]) -> Encoded:
        """Return what ``encode_row`` gave as arrays."""
        return self._rows.join(encoded)

    def blank_row(self) -> tuple[list[float], list[int]]:
        """Return a row of nothing, encoded: a shape to try a graph with."""
        return [0.0] * len(self._program.numbers), [-1] * len(self._program.codes)

    def transform_rows(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float32]:
        """Return the features of rows, of shape (rows, width): the same numbers as ``transform`` gives.

        Raises:
            InvalidInput: See ``encode``; also for numbers that are too large.
        """
        encoded = self.encode(rows)
        features = np.zeros((len(rows), self.width), np.float32)
        if not write_features(encoded, self._program, features):
            row, place = np.argwhere(~np.isfinite(features))[0]
            raise InvalidInput(f"row {row}: feature {self.names[place]!r} is null or too large a number")
        return features

    def to_onnx(self) -> "onnx.ModelProto":
        """Return the numeric part as a graph.

        Its inputs are ``numbers`` float64 [batch, N] and ``codes`` int64 [batch, M], as ``encode`` gives them,
        its output ``features`` float32 [batch, width].
        """
        program = self._program
        graph = GraphWriter(len(program.numbers))
        for operation in program.operations:
            operation.emit(graph)
        emit_features(graph, program)
        return graph.finish(numbers=len(program.numbers), codes=len(program.codes), width=self.width)

    def to_json(self) -> bytes:
        """Return the recipe as JSON: columns and steps as plain values, no code."""
        saved = _Saved(format=_FORMAT, version=_VERSION, columns=self.columns, steps=self.steps)
        return msgspec.json.format(msgspec.json.encode(saved))

    @classmethod
    def from_json(cls, text: bytes | str) -> "FittedRecipe":
        """Read what ``to_json`` wrote.

        Raises:
            RecipeError: It is not a recipe, or one of a newer version.

        Example:
            >>> FittedRecipe.from_json("{}")
            Traceback (most recent call last):
            pulse_ai.frame.errors.RecipeError: this is no saved recipe: ...
        """
        try:
            saved = msgspec.json.decode(text, type=_Saved)
        except msgspec.MsgspecError as error:
            raise RecipeError(f"this is no saved recipe: {error}") from error
        if saved.format != _FORMAT or saved.version != _VERSION:
            raise RecipeError(
                f"this is {saved.format} version {saved.version}; this Pulse reads {_FORMAT} version {_VERSION}"
            )
        return cls(saved.columns, saved.steps)

    @property
    def _inputs(self) -> int:
        return len(self._program.numbers) + len(self._program.codes)

    def _batches(self, frame: "pl.DataFrame | pl.LazyFrame", rows: int) -> Iterator["pl.DataFrame"]:
        return batches_of(frame, [column.name for column in self.columns], rows)

    def _fill(self, batch: "pl.DataFrame", features: NDArray[np.float32], first: int) -> None:
        """Write the features of a batch whose first row is the frame's row ``first``."""
        program = self._program
        encoded = encode_frame(batch, self._by_name, program.numbers, program.codes)
        if not write_features(encoded, program, features):
            raise self._not_finite(features, first)

    def _check_kinds(self, frame: "pl.DataFrame | pl.LazyFrame") -> None:
        schema = frame.collect_schema()
        for column in self.columns:
            dtype = schema.get(column.name)
            if dtype is None or str(dtype) == "Null":
                continue  # the one is found by batches_of, the other has nulls only
            kind = kind_of(dtype)
            if kind != column.kind and not (kind in _NUMBERS and column.kind in _NUMBERS):
                raise RecipeError(
                    f"column {column.name!r} is {kind or dtype} here, but was {column.kind} in training; "
                    "declare its type where the file is read"
                )
            _check_zone(column, dtype)

    def _not_finite(self, features: NDArray[np.float32], first: int) -> RecipeError:
        row, place = np.argwhere(~np.isfinite(features))[0]
        what = "is null" if np.isnan(features[row, place]) else "is too large for a 32-bit number"
        return RecipeError(
            f"row {first + row}: feature {self.names[place]!r} {what}; impute the column, or leave the row out"
        )


def _check_zone(column: Column, dtype: Any) -> None:
    zone = getattr(dtype, "time_zone", None)
    if zone is not None and not column.has_zone:
        raise RecipeError(
            f"column {column.name!r} has the time zone {zone} here, but had none in training, and nobody can say "
            "which one that was; take it off with dt.replace_time_zone(None)"
        )
