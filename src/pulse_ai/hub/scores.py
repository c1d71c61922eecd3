"""From the model's raw numbers to labels with scores, best first."""

__all__ = ("best_first", "scores_of")

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pulse_ai.hub.answers import Prediction
from pulse_ai.hub.settings import ScoresFunction


def scores_of(logits: NDArray[np.float32], function: ScoresFunction) -> NDArray[np.float64]:
    """Return scores for each row of logits.

    Args:
        logits: Raw numbers of shape (texts, labels); any finite value.
        function: ``softmax`` gives rows that sum to 1, ``sigmoid`` a score in [0, 1] for each label by
            itself, ``none`` the numbers as they are.

    Example:
        >>> scores_of(np.array([[0.0, 0.0]], np.float32), "softmax")
        array([[0.5, 0.5]])
    """
    wide = logits.astype(np.float64)
    if function == "softmax":
        powers = np.exp(wide - wide.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)
    if function == "sigmoid":
        small = np.exp(-np.abs(wide))  # never above 1, so nothing overflows
        return np.where(wide >= 0, 1.0, small) / (1.0 + small)
    return wide


def best_first(scores: NDArray[np.float64], labels: Sequence[str], top_k: int | None) -> list[Prediction]:
    """Return one row's predictions from the best score down; equal scores keep the labels' order.

    Example:
        >>> best_first(np.array([0.25, 0.75]), ("NEGATIVE", "POSITIVE"), 1)
        [Prediction(label='POSITIVE', score=0.75)]
    """
    values: list[float] = scores.tolist()
    ranked = sorted(range(len(values)), key=lambda number: -values[number])
    return [Prediction(labels[number], values[number]) for number in ranked[:top_k]]
