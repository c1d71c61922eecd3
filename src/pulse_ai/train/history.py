"""The figures of each epoch, as rows, as columns for a frame, and as series for a plot."""

__all__ = ("History",)

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class History:
    """What was measured after each epoch, oldest first.

    Attributes:
        rows: For each epoch ``{"epoch": 0, "loss": …, "learning_rate": …, "validation_loss": …, …}``.

    Example:
        >>> history = History(({"epoch": 0, "loss": 2.0}, {"epoch": 1, "loss": 1.0}))
        >>> history["loss"]
        [2.0, 1.0]
    """

    rows: tuple[Mapping[str, float], ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Mapping[str, float]]:
        return iter(self.rows)

    def __getitem__(self, name: str) -> list[float]:
        """Return one figure over the epochs."""
        return [row[name] for row in self.rows]

    def columns(self) -> dict[str, list[float]]:
        """Return a column for each figure: ``polars.DataFrame(history.columns())`` is the frame."""
        return {name: self[name] for name in (self.rows[0] if self.rows else ())}

    def series(self, names: Sequence[str] = ("loss", "validation_loss")) -> list[dict[str, float | str]]:
        """Return a row for each point of a plot: ``{"epoch": 0, "figure": "loss", "value": …}``."""
        return [
            {"epoch": row["epoch"], "figure": name, "value": row[name]}
            for name in names
            for row in self.rows
            if name in row
        ]

    def extended(self, rows: Sequence[Mapping[str, float]]) -> "History":
        """Return the history with more epochs."""
        return History((*self.rows, *rows))
