"""The no-op behind LitServe: one worker process, batches of up to 16, and the ZMQ queue.

Its documents advise ``fast_queue`` above 100 requests a second.
"""

import sys

import litserve as ls


class NoOp(ls.LitAPI):
    """Answers each item with itself."""

    def setup(self, device):
        """Load nothing."""

    def decode_request(self, request):
        """Return the body as it is."""
        return request

    def predict(self, items):
        """Return the items."""
        return items

    def encode_response(self, output):
        """Return the answer as it is."""
        return output


if __name__ == "__main__":
    api = NoOp(max_batch_size=16, batch_timeout=0.001)
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        log_level="error",
        generate_client_file=False,
    )
