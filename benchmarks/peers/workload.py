"""The classifier that every server runs: one ONNX file, one tokenizer, the same session options.

Imported in the venv of each peer, so it needs the standard library, numpy, onnxruntime and tokenizers, and
nothing of Pulse. The session options are those of Pulse's own engine: a peer is not to lose by worse ones.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SETTINGS = "PEER_SETTINGS"
"""The environment variable that holds ``Settings`` as JSON."""

_WARM_UP = ("a", "a word or two", "a sentence of a middling length that is as long as most of them are")


@dataclass(frozen=True)
class Settings:
    """What a server is told. A peer's file maps it onto that peer's own options.

    Attributes:
        graph: The ONNX file, int8.
        tokenizer: ``tokenizer.json``.
        checkpoint: The folder that all of it is from.
        labels: The labels' names, in the order of the model's scores.
        max_tokens: Most tokens of one text.
        batch_size: Most items in a batch.
        wait_ms: How long a batch may be waited for, in milliseconds.
        workers: Worker processes.
        queue: Most requests that may be in the server at once; 0 means that none is to be turned away.
        limit_s: The time limit of each request, in seconds.
        threads: Threads of one call of the engine.
        pids: A folder in which each worker leaves its process id once it has loaded.
    """

    graph: str
    tokenizer: str
    checkpoint: str
    labels: tuple[str, ...]
    max_tokens: int
    batch_size: int
    wait_ms: float
    workers: int
    queue: int
    limit_s: float
    threads: int
    pids: str

    @classmethod
    def given(cls) -> "Settings":
        """Return what the benchmark gave this process."""
        return cls(**json.loads(os.environ[SETTINGS]))  # noqa: TID251 - the one way into every peer


class Classifier:
    """Texts in, the best label of each out; padded to the longest of a batch, as the peers' examples do."""

    def __init__(self, settings: Settings) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options: Any = onnxruntime.SessionOptions()
        options.intra_op_num_threads = settings.threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session: Any = onnxruntime.InferenceSession(
            settings.graph,
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["SkipLayerNormFusion"],
        )
        self._inputs = [slot.name for slot in self._session.get_inputs()]
        self._labels = settings.labels
        self._tokenizer: Any = Tokenizer.from_file(settings.tokenizer)
        self._tokenizer.enable_truncation(settings.max_tokens)
        self._tokenizer.enable_padding()  # to the longest of the batch
        self.predict(_WARM_UP)
        announce(settings)

    def predict(self, texts: "list[str] | tuple[str, ...]") -> list[dict[str, Any]]:
        """Return ``{"label": ..., "score": ...}`` for each text."""
        import numpy as np

        encoded = self._tokenizer.encode_batch(list(texts))
        columns = {
            "input_ids": [one.ids for one in encoded],
            "attention_mask": [one.attention_mask for one in encoded],
            "token_type_ids": [one.type_ids for one in encoded],
        }
        feeds = {name: np.asarray(columns[name], np.int64) for name in self._inputs}
        (logits,) = self._session.run(["logits"], feeds)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        best = shares.argmax(axis=1)
        return [
            {"label": self._labels[which], "score": float(row[which])}
            for row, which in zip(shares, best, strict=True)
        ]


def announce(settings: Settings) -> None:
    """Leave this process's id where the benchmark looks for workers to kill."""
    (Path(settings.pids) / str(os.getpid())).touch()
