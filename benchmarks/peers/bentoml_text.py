"""BentoML: adaptive batching, which aims at a latency and refuses with 503 what would miss it.

BentoML 1.4.39 docs, "Adaptive batching": ``batchable`` with ``max_batch_size`` and ``max_latency_ms``; a batch
window is learned. "Concurrency" and "Configurations": ``traffic.max_concurrency`` refuses with 429 above it,
``traffic.timeout`` gives up. "Workers": ``workers`` is the number of processes.
"""

from typing import Any

import bentoml

from benchmarks.peers.workload import Classifier, Settings

settings = Settings.given()
traffic: dict[str, float] = {"timeout": max(1.0, settings.limit_s)}
if settings.queue:
    traffic["max_concurrency"] = settings.queue


@bentoml.service(workers=settings.workers, traffic=traffic)
class Sentiment:
    """Classifies texts."""

    def __init__(self) -> None:
        self.classifier = Classifier(settings)

    @bentoml.api(
        batchable=True, max_batch_size=settings.batch_size, max_latency_ms=int(settings.limit_s * 1e3)
    )
    def predict(self, texts: list[str]) -> list[dict[str, Any]]:
        """Classify the batch."""
        return self.classifier.predict(texts)
