"""How a table is trained on: what a person may choose, with what is good where nobody chose."""

__all__ = ("TableSettings",)

from dataclasses import dataclass
from typing import Literal

from pulse_ai.tabular.errors import TableError
from pulse_ai.tabular.problem import TaskKind

_SMALL_ROWS = 4_000
_SMALL_BATCH, _LARGE_BATCH = 32, 256
_STEPS = 40_000  # about as many updates as a run without an epoch count may have
_MOST_EPOCHS, _LEAST_EPOCHS = 200, 5
_LARGE_BATCH_RATE, _SMALL_BATCH_RATE = 2e-3, 1e-3
_MOST_WIDTH, _MOST_LAYERS = 8_192, 64  # the weights between two layers of that width have 268 MB
_LINEAR_SHARE = 10.0  # a linear model bears larger steps


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSettings:
    """Settings of ``train_table``.

    Attributes:
        task: ``binary``, ``multiclass`` or ``regression``; None: what the target column looks like.
        hidden: Width of each hidden layer, at most 8,192; empty trains a linear model. At most 64 of them.
        epochs: The most passes over the training rows; None: 200, fewer where there are very many rows.
        batch_size: Rows in a step; None: 32, and 256 from 4,000 rows on.
        learning_rate: The first step's size; None: 0.001 for small batches, 0.002 for large ones, and ten times
            that for a linear model.
        dropout: Share of a hidden layer that is dropped in training, in [0, 1).
        patience: Stop after so many epochs without a better validation loss. The best weights are kept.
        validation: Share of the rows that is held out, in (0, 1).
        stratify: Whether classes have the same shares in both parts; regression has none.
        balance: Whether each class counts the same, however rare.
        seed: Decides the split, the first weights and the order of the rows.
        drop: Columns to leave out.

    Raises:
        TableError: A setting is out of its range.

    Example:
        >>> TableSettings(hidden=(32,)).batch_rows(1_000)
        32
    """

    task: TaskKind | None = None
    hidden: tuple[int, ...] = (64, 64)
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    dropout: float = 0.0
    patience: int = 20
    validation: float = 0.2
    stratify: bool = True
    balance: bool = False
    seed: int = 0
    drop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0.0 < self.validation < 1.0:
            raise TableError(f"the validation share is between 0 and 1, got {self.validation}")
        counts = (*self.hidden, self.patience, self.epochs, self.batch_size)
        if min(count for count in counts if count is not None) < 1:
            raise TableError("hidden widths, epochs, batch size and patience are at least 1")
        if max(self.hidden, default=1) > _MOST_WIDTH or len(self.hidden) > _MOST_LAYERS:
            raise TableError(
                f"hidden layers are at most {_MOST_LAYERS}, each at most {_MOST_WIDTH} wide; "
                f"got {len(self.hidden)}, the widest {max(self.hidden)}"
            )
        if not 0.0 <= self.dropout < 1.0:
            raise TableError(f"dropout is at least 0 and below 1, got {self.dropout}")
        if self.learning_rate is not None and not 0.0 < self.learning_rate < float("inf"):
            raise TableError(f"the learning rate is above 0 and finite, got {self.learning_rate}")
        if not 0 <= self.seed < 2**31:
            raise TableError(f"the seed is between 0 and 2147483647, got {self.seed}")

    def batch_rows(self, rows: int) -> int:
        """Return how many rows a step has, for so many training rows."""
        return min(self.batch_size or (_SMALL_BATCH if rows < _SMALL_ROWS else _LARGE_BATCH), rows)

    def most_epochs(self, rows: int) -> int:
        """Return the most epochs, for so many training rows."""
        if self.epochs is not None:
            return self.epochs
        steps = max(rows // self.batch_rows(rows), 1)
        return min(max(_STEPS // steps, _LEAST_EPOCHS), _MOST_EPOCHS)

    def first_rate(self, rows: int) -> float:
        """Return the first learning rate, for so many training rows."""
        if self.learning_rate is not None:
            return self.learning_rate
        rate = _SMALL_BATCH_RATE if self.batch_rows(rows) < _LARGE_BATCH else _LARGE_BATCH_RATE
        return rate if self.hidden else rate * _LINEAR_SHARE

    def class_weights(self, task: TaskKind) -> Literal["balanced"] | None:
        """Return how much each class counts; a regression has none."""
        return "balanced" if self.balance and task != "regression" else None
