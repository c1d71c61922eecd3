"""Time five forms of one classifier: ``python -m models.sentiment.latency``.

Plain is the graph that torch exports, fused is the one of `graph`; each as
float and after dynamic quantisation; the last form is the shipped one, with
fixed ranges. Runs of the forms alternate, so that
other load on the machine falls on all of them; the figures are medians.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.torch import load_file
from torch import Tensor, nn
from tqdm import tqdm

from .encoder import Classifier, EncoderShape
from .evaluate import Engine
from .export import SHIPPED
from .graph import build_graph

__all__ = ("main",)

SIZES = ((1, 16), (1, 32), (16, 16), (16, 32), (16, 128))
INPUTS = ("input_ids", "attention_mask")


class _IntegerMask(nn.Module):
    """The classifier with the inputs of the shipped graph."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.model(input_ids, attention_mask.bool())


def _export_plain(model: Classifier, path: Path) -> None:
    example = torch.ones(2, 8, dtype=torch.long)
    axes = {name: {0: "batch", 1: "length"} for name in INPUTS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _IntegerMask(model).eval(), (example, example), path, dynamo=False, opset_version=17,
            input_names=list(INPUTS), output_names=["logits"], dynamic_axes=axes,
        )  # fmt: skip


def _quantise_as_it_comes(plain: Path, out: Path) -> None:
    quantize_dynamic(
        plain,
        out,
        op_types_to_quantize=["MatMul", "Attention"],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
    )


def _build_forms(work: Path, shipped: Path, folder: Path) -> dict[str, Path]:
    state = load_file(work / "classifier.safetensors")
    model = Classifier(EncoderShape())
    model.load_state_dict(state)
    names = ("plain fp32", "fused fp32", "plain int8 dynamic", "fused int8 dynamic")
    forms = {name: folder / f"{name.replace(' ', '-')}.onnx" for name in names}
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    _export_plain(model, forms["plain fp32"])
    onnx.save(build_graph(arrays, EncoderShape(), temperature=1.0), forms["fused fp32"])
    for kind in ("plain", "fused"):
        _quantise_as_it_comes(forms[f"{kind} fp32"], forms[f"{kind} int8 dynamic"])
    return forms | {"fused int8 fixed": shipped / "onnx" / "model_quantized.onnx"}


def main() -> None:
    """Read the command line and print milliseconds by form and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder that train.py wrote")
    parser.add_argument("--model", type=Path, default=SHIPPED, help="the shipped folder")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--write", type=Path, help="file for the figures, as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        forms = _build_forms(options.work, options.model, Path(folder))
        engines = {
            name: Engine(options.model, graph=path, threads=options.threads) for name, path in forms.items()
        }
    random = np.random.default_rng(0)
    figures: dict[str, dict[str, float]] = {name: {} for name in engines}
    for batch, length in tqdm(SIZES):
        ids, mask = random.integers(1000, 30000, (batch, length)), np.ones((batch, length), dtype=np.int64)
        times: dict[str, list[float]] = {name: [] for name in engines}
        for _ in range(options.rounds):
            for name, engine in engines.items():
                began_at_s = perf_counter()
                engine.run(ids, mask)
                times[name].append((perf_counter() - began_at_s) * 1000)
        for name, taken in times.items():
            figures[name][f"{batch}x{length}"] = round(median(taken), 2)
    print(json.dumps(figures, indent=1))
    if options.write:
        options.write.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
