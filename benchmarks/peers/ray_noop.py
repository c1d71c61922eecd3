"""The no-op behind Ray Serve: one replica and ``@serve.batch``, which its docs advise for batch models."""

import sys
import threading

from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=1, max_ongoing_requests=512, ray_actor_options={"num_cpus": 1})
class NoOp:
    """Answers each item with itself."""

    @serve.batch(max_batch_size=16, batch_wait_timeout_s=0.001, max_concurrent_batches=1)
    async def batched(self, items: list) -> list:
        """Return the items."""
        return items

    async def __call__(self, request: Request):
        """Read one item and answer it."""
        return await self.batched(await request.json())


if __name__ == "__main__":
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(NoOp.bind(), route_prefix="/predict")
    threading.Event().wait()
