"""LitServe: batches, the ZMQ queue, workers that are restarted.

LitServe 0.2.19 docs, "Batching": ``max_batch_size`` with a ``batch_timeout``. API reference of ``LitServer``:
``fast_queue`` above 100 requests a second, ``restart_workers`` to replace a worker that ended, ``timeout`` to
answer 504 to what waited longer. There is no bound on the queue: ``track_requests`` counts, and what to do
with the count is left to code of one's own.
"""

import sys

import litserve as ls

from benchmarks.peers.workload import Classifier, Settings


class Sentiment(ls.LitAPI):
    """Classifies texts."""

    def setup(self, device):
        """Load the model."""
        self.classifier = Classifier(Settings.given())

    def decode_request(self, request):
        """Return the text of a body."""
        return request["q"]

    def batch(self, inputs):
        """Return the texts as they are; else LitServe would make an array of them."""
        return list(inputs)

    def predict(self, texts):
        """Classify the batch."""
        return self.classifier.predict(texts)

    def unbatch(self, output):
        """Return the answers one by one."""
        return output

    def encode_response(self, output):
        """Return the answer as it is."""
        return output


if __name__ == "__main__":
    settings = Settings.given()
    api = Sentiment(max_batch_size=settings.batch_size, batch_timeout=settings.wait_ms / 1e3)
    server = ls.LitServer(
        api,
        accelerator="cpu",
        workers_per_device=settings.workers,
        fast_queue=True,
        restart_workers=True,
        timeout=settings.limit_s,
    )
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        log_level="error",
        generate_client_file=False,
    )
