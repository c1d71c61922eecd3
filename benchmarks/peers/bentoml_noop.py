"""The no-op behind BentoML: adaptive batching, which its docs advise for models that take batches."""

import bentoml


@bentoml.service(workers=1, traffic={"timeout": 60})
class NoOp:
    """Answers each item with itself."""

    @bentoml.api(batchable=True, max_batch_size=16, max_latency_ms=1000)
    def predict(self, items: list[dict]) -> list[dict]:
        """Return the items."""
        return items
