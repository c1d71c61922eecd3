"""Ray Serve: ``@serve.batch`` in a replica, a bounded queue that refuses with 429, and a time limit.

Ray 2.60 docs, "Dynamic Request Batching": ``max_batch_size`` a power of 2, ``batch_wait_timeout_s`` far below
the latency wanted less the time of a batch. "Performance Tuning": ``max_ongoing_requests`` above the batch
size, and ``num_cpus`` and threads set by hand. "Configure Ray Serve deployments": ``max_queued_requests`` with a
``backpressure_config``; "Set Up HTTP": ``request_timeout_s`` answers 408. A replica that dies is replaced.
"""

import sys
import threading
from typing import Any

from ray import serve
from ray.serve.config import BackpressureConfig
from starlette.requests import Request

from benchmarks.peers.workload import Classifier, Settings

settings = Settings.given()
_ONGOING = 2 * settings.batch_size  # one batch runs while the next one fills


@serve.deployment(
    num_replicas=settings.workers,
    max_ongoing_requests=_ONGOING,
    max_queued_requests=max(1, settings.queue - _ONGOING * settings.workers) if settings.queue else -1,
    backpressure_config=BackpressureConfig(status_code=429, retry_after_s=1),
    ray_actor_options={"num_cpus": 0},
)
class Sentiment:
    """Classifies texts."""

    def __init__(self) -> None:
        self.classifier = Classifier(settings)

    @serve.batch(
        max_batch_size=settings.batch_size,
        batch_wait_timeout_s=settings.wait_ms / 1e3,
        max_concurrent_batches=1,
    )
    async def batched(self, texts: list[str]) -> list[dict[str, Any]]:
        """Classify the batch."""
        return self.classifier.predict(texts)

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Read one item and answer it."""
        return await self.batched((await request.json())["q"])


if __name__ == "__main__":
    serve.start(
        http_options={
            "host": "127.0.0.1",
            "port": int(sys.argv[1]),
            "request_timeout_s": settings.limit_s,
        }
    )
    serve.run(Sentiment.bind(), route_prefix="/predict")
    threading.Event().wait()
