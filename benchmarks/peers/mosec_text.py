"""Mosec: batches in one stage, a bounded queue that refuses with 429, and a time limit that answers 408.

Mosec 0.9.8 docs, README "Configuration" and "Performance tuning": ``max_batch_size`` and a ``max_wait_time``
below the time of a batch. "Command line arguments": ``--capacity`` bounds the queue, ``--timeout`` is the time
limit of a request in milliseconds. Mosec reads the command line itself, so ``catalogue.py`` gives those two.
"""

from typing import Any

from mosec import Server, Worker

from benchmarks.peers.workload import Classifier, Settings


class Sentiment(Worker):
    """Classifies texts."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = Classifier(Settings.given())

    def forward(self, data: list[dict[str, str]]) -> list[dict[str, Any]]:
        """Classify the batch."""
        return self.classifier.predict([item["q"] for item in data])


if __name__ == "__main__":
    given = Settings.given()
    server = Server()
    server.append_worker(
        Sentiment,
        num=given.workers,
        max_batch_size=given.batch_size,
        max_wait_time=max(1, round(given.wait_ms)),
    )
    server.run()
