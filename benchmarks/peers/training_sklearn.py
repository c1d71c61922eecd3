"""scikit-learn's ``MLPClassifier``, for ``benchmarks.training``: Adam, no early stopping, warm starts."""

import sys
import warnings

import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from training_table import HIDDEN, RATE, answer, table

rows, batch = int(sys.argv[1]), int(sys.argv[2])
features, targets = table(rows)
warnings.simplefilter("ignore", ConvergenceWarning)


def train(epochs: int) -> float:
    """Train for some epochs from the beginning; return the last one's loss."""
    model = MLPClassifier(
        (HIDDEN, HIDDEN),
        alpha=0.0,
        batch_size=batch,
        learning_rate_init=RATE,
        max_iter=epochs,
        tol=0.0,
        n_iter_no_change=10**9,
        random_state=0,
    )
    return float(model.fit(features, targets).loss_)


answer(train, f"scikit-learn {sklearn.__version__}")
