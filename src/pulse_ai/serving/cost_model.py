"""How long a batch will take, learned from the batches before: ``a + b * items + c * bytes``.

The three numbers are kept by recursive least squares with forgetting (Haykin, Adaptive Filter Theory, chapter
on RLS): each batch moves them by the error that it showed, old batches fade. The spread round the line is kept
as a running quantile of the error, moved up by a lot when an error is above it and down by a little when not,
so that it settles where the wanted share of errors is below (Robbins and Monro, 1951).
"""

__all__ = ("CostModel",)

_FORGETTING = 0.98  # a batch's weight halves every 34 batches
_QUANTILE = 0.95
_QUANTILE_STEP = 0.2  # of the mean absolute error, for each batch
_BATCHES_TO_TRUST = 5
_LARGEST_VARIANCE = 1e4  # of a coefficient, relative to the noise; keeps constant input from blowing it up
_BYTES = 1.0 / 1024  # bytes are counted in KiB, so that the three inputs are of like size


class CostModel:
    """Predicts service times, in seconds.

    Attributes:
        batches: How many batches it has seen.

    Example:
        >>> model = CostModel()
        >>> for items in (1, 2, 4, 8, 16) * 20:
        ...     model.batch_done(items=items, cost_bytes=100 * items, took_s=0.020 + 0.002 * items)
        >>> round(model.predict_s(items=10, cost_bytes=1000), 3)
        0.04
    """

    __slots__ = ("_covariance", "_error_s", "_margin_s", "_weights", "batches")

    def __init__(self) -> None:
        self.batches = 0
        self._weights = [0.0, 0.0, 0.0]
        self._covariance = [[_LARGEST_VARIANCE * (row == col) for col in range(3)] for row in range(3)]
        self._margin_s = 0.0
        self._error_s = 0.0

    @property
    def is_trusted(self) -> bool:
        """Whether enough batches were seen for a prediction to refuse or drop anything."""
        return self.batches >= _BATCHES_TO_TRUST

    @property
    def coefficients(self) -> tuple[float, float, float]:
        """Seconds a batch, seconds an item, seconds a byte."""
        base_s, item_s, kib_s = self._weights
        return base_s, item_s, kib_s * _BYTES

    @property
    def margin_s(self) -> float:
        """What is added to a prediction so that about 19 of 20 batches take less, in seconds."""
        return self._margin_s

    def predict_s(self, *, items: int, cost_bytes: int) -> float:
        """Return how long a batch will take on average, in seconds, at least 0."""
        weights = self._weights
        return max(0.0, weights[0] + weights[1] * items + weights[2] * cost_bytes * _BYTES)

    def predict_high_s(self, *, items: int, cost_bytes: int) -> float:
        """Return a time that about 19 of 20 such batches stay under, in seconds."""
        return self.predict_s(items=items, cost_bytes=cost_bytes) + self._margin_s

    def batch_done(self, *, items: int, cost_bytes: int, took_s: float) -> None:
        """Learn from one batch.

        Args:
            items: How many it had.
            cost_bytes: Their encoded size.
            took_s: How long the worker had it, in seconds.
        """
        inputs = (1.0, float(items), cost_bytes * _BYTES)
        error_s = took_s - sum(w * x for w, x in zip(self._weights, inputs, strict=True))
        if self.batches >= _BATCHES_TO_TRUST:
            self._move_margin(error_s)
        self._move_weights(inputs, error_s)
        self.batches += 1

    def _move_weights(self, inputs: tuple[float, float, float], error_s: float) -> None:
        covariance = self._covariance
        spread = [sum(c * x for c, x in zip(row, inputs, strict=True)) for row in covariance]
        scale = _FORGETTING + sum(s * x for s, x in zip(spread, inputs, strict=True))
        gain = [s / scale for s in spread]
        self._weights = [w + g * error_s for w, g in zip(self._weights, gain, strict=True)]
        self._covariance = [
            [(covariance[row][col] - gain[row] * spread[col]) / _FORGETTING for col in range(3)]
            for row in range(3)
        ]
        largest = max(self._covariance[index][index] for index in range(3))
        if largest > _LARGEST_VARIANCE:
            shrink = _LARGEST_VARIANCE / largest
            self._covariance = [[value * shrink for value in row] for row in self._covariance]

    def _move_margin(self, error_s: float) -> None:
        self._error_s += 0.05 * (abs(error_s) - self._error_s)
        step_s = _QUANTILE_STEP * self._error_s
        move = _QUANTILE if error_s > self._margin_s else _QUANTILE - 1.0
        self._margin_s = max(0.0, self._margin_s + step_s * move)
