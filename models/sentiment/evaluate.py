"""Measure a shipped folder: ``python -m models.sentiment.evaluate``.

Reports accuracy on ``dev.tsv`` as it is and as people type, on everyday
sentences, and how sure the model is of texts that mean nothing to it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tokenizers import Tokenizer

from .texts import Example, detokenise, read_examples

__all__ = ("MAX_TOKENS", "Engine", "accuracy", "certainty", "main", "measure")

SURE = 0.75
MAX_TOKENS = 512


class Engine:
    """The graph and tokenizer of a folder, as a plain loop runs them.

    Args:
        folder: Folder of ``tokenizer.json`` and ``onnx/model_quantized.onnx``.
        graph: Another graph to run with the same tokenizer.
        threads: Threads within an operator.
    """

    def __init__(self, folder: Path, *, graph: Path | None = None, threads: int = 2) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        path = graph or folder / "onnx" / "model_quantized.onnx"
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def logits(self, texts: list[str], batch_size: int = 16) -> NDArray[np.float32]:
        """Return logits, [texts, 2]; batches are formed by length."""
        encoded = [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]
        order = sorted(range(len(encoded)), key=lambda number: len(encoded[number]))
        out = np.empty((len(texts), 2), dtype=np.float32)
        for start in range(0, len(order), batch_size):
            group = order[start : start + batch_size]
            length = max(len(encoded[number]) for number in group)
            ids = np.zeros((len(group), length), dtype=np.int64)
            mask = np.zeros_like(ids)
            for row, number in enumerate(group):
                ids[row, : len(encoded[number])] = encoded[number]
                mask[row, : len(encoded[number])] = 1
            out[group] = self.run(ids, mask)
        return out

    def run(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits of one batch."""
        (logits,) = self._session.run(["logits"], {"input_ids": ids, "attention_mask": mask})
        return np.asarray(logits, dtype=np.float32)

    def positive(self, texts: list[str], batch_size: int = 16) -> NDArray[np.float32]:
        """Return the probability of POSITIVE for each text."""
        logits = self.logits(texts, batch_size)
        return (1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))).astype(np.float32)


def accuracy(positive: NDArray[np.float32], examples: list[Example]) -> float:
    """Return the share of examples whose label is the likelier one."""
    labels = np.array([example.positive for example in examples])
    return float(np.mean((positive > 0.5) == (labels > 0.5)))


def certainty(positive: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the greater of the two probabilities of each text."""
    return np.maximum(positive, 1 - positive)


def _calibration_error(positive: NDArray[np.float32], examples: list[Example], bins: int = 10) -> float:
    labels = np.array([example.positive for example in examples])
    sure, right = certainty(positive), (positive > 0.5) == (labels > 0.5)
    edges = np.minimum(((sure - 0.5) * 2 * bins).astype(int), bins - 1)
    parts = [edges == number for number in range(bins) if (edges == number).any()]
    return float(sum(part.mean() * abs(sure[part].mean() - right[part].mean()) for part in parts))


def measure(engine: Engine, data: Path, lists: Path) -> dict[str, float]:
    """Return every figure of the model card but time and size."""
    dev = read_examples(data / "dev.tsv")
    typed = [Example(detokenise(example.text), example.positive) for example in dev]
    smoke = read_examples(lists / "smoke.tsv")
    strange = (lists / "outliers.txt").read_text(encoding="utf-8").splitlines()
    raw = engine.positive([example.text for example in dev])
    alone = engine.positive([example.text for example in dev], batch_size=1)
    sure = certainty(engine.positive(strange))
    return {
        "dev_accuracy": accuracy(raw, dev),
        "dev_accuracy_one_by_one": accuracy(alone, dev),
        "dev_accuracy_as_typed": accuracy(engine.positive([example.text for example in typed]), typed),
        "dev_calibration_error": _calibration_error(raw, dev),
        "dev_mean_certainty": float(certainty(raw).mean()),
        "batch_effect_max": float(np.abs(raw - alone).max()),
        "smoke_accuracy": accuracy(engine.positive([example.text for example in smoke]), smoke),
        "outlier_mean": float(sure.mean()),
        "outlier_max": float(sure.max()),
        "outlier_share_sure": float(np.mean(sure > SURE)),
        "empty": float(certainty(engine.positive([""]))[0]),
    }


def _print_worst(engine: Engine, lists: Path) -> None:
    smoke = read_examples(lists / "smoke.tsv")
    for example, score in zip(smoke, engine.positive([example.text for example in smoke]), strict=True):
        if (score > 0.5) != (example.positive > 0.5):
            print(f"wrong   {score:.3f}  {example.text}")
    strange = (lists / "outliers.txt").read_text(encoding="utf-8").splitlines()
    for text, score in zip(strange, engine.positive(strange), strict=True):
        if max(score, 1 - score) > SURE:
            print(f"too sure {score:.3f}  {text[:100]}")


def main() -> None:
    """Read the command line, print what the model gets wrong, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/sst2"), help="folder of dev.tsv")
    parser.add_argument(
        "--lists", type=Path, default=Path("tests/hub/data"), help="folder of smoke.tsv and outliers.txt"
    )
    parser.add_argument("--model", type=Path, default=Path("src/pulse_ai/hub/models/sentiment"))
    parser.add_argument("--graph", type=Path, help="another graph to run, such as the float one")
    parser.add_argument("--write", type=Path, help="file for the figures, as JSON")
    options = parser.parse_args()
    engine = Engine(options.model, graph=options.graph)
    figures = {name: round(value, 4) for name, value in measure(engine, options.data, options.lists).items()}
    _print_worst(engine, options.lists)
    print(json.dumps(figures, indent=1))
    if options.write:
        options.write.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
