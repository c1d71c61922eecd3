"""Tasks on arrays, apart from the others: NumPy takes longer to import than all of those."""

import numpy as np

from pulse_ai import Task


class Arrays(Task):
    """Takes and answers arrays."""

    def predict(self, items: list[np.ndarray]) -> list[np.ndarray]:  # type: ignore[type-arg]
        return [item[::-1] for item in items]
