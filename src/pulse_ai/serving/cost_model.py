"""How long a batch will take, learned from the batches before: ``a + b * items + c * bytes``.

The three numbers are kept by recursive least squares in its random-walk form (Ljung, System Identification, on
recursive estimation): each batch moves them by the error that it showed, and between batches their uncertainty
grows by a little, so that they follow a model that changes. Growth stops at a bound, so that input which never
varies in some direction (every batch of the same size) cannot blow the estimate up.

The spread round the line is kept as a running quantile of the error, moved up by a lot when an error is above
it and down by a little when not, so that it settles where the wanted share of errors is below (Robbins and
Monro, 1951). Errors are taken relative to the square root of the predicted time, as if the variance were in
proportion to it. So one number serves small batches and large ones, and a sum too: batches one after another
that take ``t`` together stray by ``spread * sqrt(t)``, since independent errors add up in squares. Four batches
need twice the margin of one, not four times. Only the error of the mean itself adds up as it is. A batch far
from all that were seen shows what was not known, not how much the known ones stray: its error is taken relative to
the uncertainty that the filter itself gave it.
"""

__all__ = ("CostModel",)

import math

_DRIFT = 1e-2  # growth of each number's variance for a batch, relative to the noise and size of its input
_SIZE_WEIGHT = 0.05  # of the newest batch in the running mean square of items and bytes
_LARGEST_VARIANCE = 1e3  # of a number, relative likewise; also where it begins
_QUANTILE = 0.99
_NORMAL_SQ = 2.326**2  # the same quantile of a normal distribution, in standard deviations, squared
_ERROR_WEIGHT = 0.05  # of the newest error in the running means
_QUANTILE_STEP = 0.2  # of the mean absolute error, for each batch
_MEAN_ERROR = (
    0.05  # variance of the estimated mean, relative to the noise; its error is the same in each batch
)
_STRANGE = 10.0  # variance of a prediction, relative to the noise; that of batches as usual is 1 to 3
_BATCHES_TO_TRUST = 4
_BYTES = 1.0 / 1024  # bytes are counted in KiB
_LEAST_KIB_SQ = 1e-6  # a batch of a single byte
_LEAST_S = 1e-6  # a prediction under this counts as this much where an error is set against it


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

    __slots__ = (
        "_covariance",
        "_error",
        "_sizes_sq",
        "_spread",
        "_typical_s",
        "_variance",
        "_weights",
        "batches",
    )

    def __init__(self) -> None:
        self.batches = 0
        self._weights = (0.0, 0.0, 0.0)
        self._sizes_sq = (1.0, 1.0)
        self._covariance = (_LARGEST_VARIANCE, 0.0, 0.0, _LARGEST_VARIANCE, 0.0, _LARGEST_VARIANCE)
        self._spread = 0.0  # the quantile, in seconds by the root of a second
        self._error = 0.0  # the mean absolute error, likewise
        self._variance = 0.0  # the mean squared error, likewise
        self._typical_s = 0.0

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
        """What is added for 99 of 100 batches of the usual size to take less, in seconds."""
        return self.margin_for_s(self._typical_s)

    def margin_for_s(self, takes_s: float, *, after_s: float = 0.0) -> float:
        """Return what is added to predicted times so that they are kept 99 times of 100.

        Args:
            takes_s: Predicted time of one batch, in seconds.
            after_s: Predicted time of all batches before it together, in seconds.
        """
        if takes_s <= 0.0:
            return 0.0
        known = 1.0 + _MEAN_ERROR * after_s / takes_s
        return math.sqrt(
            self._spread * self._spread * takes_s + _NORMAL_SQ * self._variance * after_s * known
        )

    def predict_s(self, *, items: int, cost_bytes: int) -> float:
        """Return how long a batch will take on average, in seconds, at least 0."""
        base_s, item_s, kib_s = self._weights
        return base_s + item_s * items + kib_s * cost_bytes * _BYTES

    def predict_high_s(self, *, items: int, cost_bytes: int) -> float:
        """Return a time that about 99 of 100 such batches stay under, in seconds."""
        takes_s = self.predict_s(items=items, cost_bytes=cost_bytes)
        return takes_s + self.margin_for_s(takes_s)

    def batch_done(self, *, items: int, cost_bytes: int, took_s: float) -> None:
        """Learn from one batch.

        Args:
            items: How many it had.
            cost_bytes: Their encoded size.
            took_s: How long the worker had it, in seconds.
        """
        kib = cost_bytes * _BYTES
        base_s, item_s, kib_s = self._weights
        predicted_s = base_s + item_s * items + kib_s * kib
        error_s = took_s - predicted_s
        self._move_sizes(items, kib)
        strange = self._move_weights(items, kib, error_s) / _STRANGE
        if self.batches >= _BATCHES_TO_TRUST:
            self._move_spread(error_s / math.sqrt(max(strange, 1.0)), max(predicted_s, _LEAST_S))
        self.batches += 1

    def _move_sizes(self, items: int, kib: float) -> None:
        """Keep the mean squares of the two inputs, so that no unit and no batch size makes one drift faster."""
        items_sq, kib_sq = self._sizes_sq
        weight = _SIZE_WEIGHT if self.batches else 1.0
        items_sq += weight * (items * items - items_sq)
        kib_sq += weight * (max(kib * kib, _LEAST_KIB_SQ) - kib_sq)
        self._sizes_sq = (items_sq, kib_sq)
        if not self.batches:
            largest = _LARGEST_VARIANCE
            self._covariance = (largest, 0.0, 0.0, largest / items_sq, 0.0, largest / kib_sq)

    def _move_weights(self, items: int, kib: float, error_s: float) -> float:
        """Take one step of the filter, and return how uncertain the prediction was, relative to the noise.

        Written out, for it runs with every batch: a loop takes six times as long.
        """
        base_s, item_s, kib_s = self._weights
        p00, p01, p02, p11, p12, p22 = self._covariance  # the upper triangle; it is symmetric
        items_sq, kib_sq = self._sizes_sq
        p00 += _DRIFT * (p00 < _LARGEST_VARIANCE)
        p11 += _DRIFT / items_sq * (p11 * items_sq < _LARGEST_VARIANCE)
        p22 += _DRIFT / kib_sq * (p22 * kib_sq < _LARGEST_VARIANCE)
        s0 = p00 + p01 * items + p02 * kib
        s1 = p01 + p11 * items + p12 * kib
        s2 = p02 + p12 * items + p22 * kib
        scale = 1.0 + s0 + s1 * items + s2 * kib
        g0, g1, g2 = s0 / scale, s1 / scale, s2 / scale
        weights = [base_s + g0 * error_s, item_s + g1 * error_s, kib_s + g2 * error_s]
        self._covariance = (
            p00 - g0 * s0, p01 - g0 * s1, p02 - g0 * s2, p11 - g1 * s1, p12 - g1 * s2, p22 - g2 * s2,
        )  # fmt: skip
        if min(weights) < 0.0:
            _make_positive(weights, self._covariance)
        self._weights = (weights[0], weights[1], weights[2])
        return scale

    def _move_spread(self, error_s: float, predicted_s: float) -> None:
        error = error_s / math.sqrt(predicted_s)
        weight = max(_ERROR_WEIGHT, 1.0 / (self.batches - _BATCHES_TO_TRUST + 1))  # a plain mean at first
        self._error += weight * (abs(error) - self._error)
        self._variance += weight * (error * error - self._variance)
        move = _QUANTILE if error > self._spread else _QUANTILE - 1.0
        self._spread = max(0.0, self._spread + _QUANTILE_STEP * self._error * move)
        self._typical_s += weight * (predicted_s - self._typical_s)


def _make_positive(weights: list[float], covariance: tuple[float, float, float, float, float, float]) -> None:
    """Move the estimate to where no number is negative, for none can be in truth.

    One that is negative is set to 0 and takes the others along as the covariance says: the most likely point
    under that condition. Cutting each one off by itself would add up errors without end.
    """
    p00, p01, p02, p11, p12, p22 = covariance
    rows = ((p00, p01, p02), (p01, p11, p12), (p02, p12, p22))
    for _ in rows:
        index = min(range(3), key=weights.__getitem__)
        excess = weights[index]
        if excess >= 0.0:
            return
        own = rows[index][index]
        for other in range(3):
            weights[other] -= rows[other][index] / own * excess if own > 0.0 else 0.0
        weights[index] = 0.0
    weights[:] = [max(0.0, weight) for weight in weights]
