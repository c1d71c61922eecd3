"""The no-op behind Mosec: one worker process, JSON in and out.

Mosec reads the command line itself (``--port``, ``--address``), so the batch size comes as ``BATCH``. Its wait
for a batch is always waited out, so it is set to the shortest that the API takes: 1 ms.
"""

import os

from mosec import Server, Worker


class NoOp(Worker):
    """Answers a batch of more than one with a list, and a batch of one with its item: so Mosec calls it."""

    def forward(self, data):
        """Return what came."""
        return data


if __name__ == "__main__":
    batch = int(os.environ.get("BATCH", "1"))  # noqa: TID251 - see above
    server = Server()
    server.append_worker(NoOp, num=1, max_batch_size=batch, max_wait_time=1 if batch > 1 else 0)
    server.run()
