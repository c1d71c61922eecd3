"""The peers' classifier as a task of Pulse: what the server is worth, apart from the model code of Pulse's hub.

The hub sorts a batch by length and so pads less; this task does what the peers do.
"""

from typing import Any

from benchmarks.peers.workload import Classifier, Settings
from pulse_ai import Task


class Sentiment(Task):
    """Classifies texts."""

    def load(self) -> None:
        """Load the model."""
        self.classifier = Classifier(Settings.given())

    def predict(self, items: list[dict[str, str]]) -> list[dict[str, Any]]:
        """Classify the batch."""
        return self.classifier.predict([item["q"] for item in items])
