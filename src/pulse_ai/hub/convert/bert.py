"""The encoder that BERT, DistilBERT and RoBERTa share, and their three heads, drawn as one ONNX graph.

Dense layers are plain ``MatMul`` and ``Add``, which dynamic quantisation knows; what lies between query, key,
value and their result is ONNX Runtime's ``MultiHeadAttention``, which takes a padding mask and works in one
pass. ``Gelu`` and the residual normalisations are written out in standard operators: ONNX Runtime fuses
them when it loads the graph.
"""

__all__ = ("CONVERTER_VERSION", "classifier_graph")

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pulse_ai.core import TargetError
from pulse_ai.hub.convert.families import Family, Shape, family_of, shape_of
from pulse_ai.hub.convert.graph import Graph
from pulse_ai.hub.convert.weights import Weights

CONVERTER_VERSION = 1
"""Part of the cache's key: a higher number makes every cached model be made again."""

_TANH_GELU = frozenset({"gelu_new", "gelu_pytorch_tanh", "gelu_fast"})


def classifier_graph(config: Mapping[str, Any], weights: Weights) -> Any:
    """Return the ONNX model of a sequence classifier.

    Its inputs are ``input_ids`` and ``attention_mask``, and ``token_type_ids`` where the model tells
    segments apart; its output is ``logits`` of shape (batch, labels), before softmax.

    Args:
        config: The checkpoint's ``config.json``.
        weights: The checkpoint's tensors.

    Raises:
        TargetError: The architecture, or a function inside it, cannot be drawn.
        LoadFailed: A tensor is missing or does not fit the config.
    """
    drawing = _Drawing(family_of(config), shape_of(config), weights)
    return drawing.model()


class _Drawing:
    """One classifier while it is drawn, from the token numbers up."""

    def __init__(self, family: Family, shape: Shape, weights: Weights) -> None:
        self.graph = Graph()
        self.family = family
        self.shape = shape
        self.weights = weights
        self.inputs = ["input_ids", "attention_mask"]

    def model(self) -> Any:
        mask = self.graph.add("Cast", "attention_mask", to=6)  # to int32
        hidden = self.embeddings()
        for number in range(self.shape.layers):
            hidden = self.layer(hidden, mask, number)
        logits, columns = self.head(hidden)
        return self.graph.model(self.inputs, logits, columns)

    def embeddings(self) -> str:
        width = self.shape.hidden
        words = self.weights.get(self._named("embeddings.word_embeddings.weight"), None, width)
        total = self.graph.add(
            "Add",
            self.graph.add("Gather", self.graph.constant("words", words), "input_ids"),
            self.positions(self._segments()),
        )
        return self.norm(total, self._named("embeddings.LayerNorm"))

    def _segments(self) -> NDArray[np.float32] | None:
        name = self._named("embeddings.token_type_embeddings.weight")
        return self.weights.get(name, None, self.shape.hidden) if name in self.weights else None

    def positions(self, segments: NDArray[np.float32] | None) -> str:
        """Return position vectors plus segment vectors; a single segment is added to the table beforehand."""
        name = self._named("embeddings.position_embeddings.weight")
        table = self.weights.get(name, None, self.shape.hidden)
        if segments is not None and len(segments) == 1:
            table = table + segments
        kept = self.graph.constant("positions", table)
        found = self.graph.add("Gather", kept, self.position_ids())
        if segments is None or len(segments) == 1:
            return found
        self.inputs.append("token_type_ids")
        kinds = self.graph.add("Gather", self.graph.constant("segments", segments), "token_type_ids")
        return self.graph.add("Add", found, kinds)

    def position_ids(self) -> str:
        """Return 0, 1, 2, ... for each row, or RoBERTa's count that skips padding and begins after its id."""
        graph = self.graph
        if self.family.offset_positions:
            padding = graph.constant("padding_id", np.array(self.shape.padding_id))
            real = graph.add("Cast", graph.add("Not", graph.add("Equal", "input_ids", padding)), to=7)
            counted = graph.add("CumSum", real, graph.constant("along_length", np.array(1)))
            return graph.add("Add", graph.add("Mul", counted, real), padding)
        size = graph.add("Shape", "input_ids", start=1, end=2)
        length = graph.add("Squeeze", size, graph.constant("only_axis", [0]))
        counted = graph.add(
            "Range", graph.constant("zero", np.array(0)), length, graph.constant("one", np.array(1))
        )
        return graph.add("Unsqueeze", counted, graph.constant("batch_axis", [0]))

    def layer(self, hidden: str, mask: str, number: int) -> str:
        names, width = self.family, self.shape.hidden
        at = self._named(names.layer.format(i=number))
        query, key, value = (
            self.dense(hidden, at + part, rows=width) for part in (names.query, names.key, names.value)
        )
        attended = self.graph.add_microsoft(
            "MultiHeadAttention", query, key, value, "", mask, num_heads=self.shape.heads
        )
        added = self.graph.add("Add", self.dense(attended, at + names.attended, rows=width), hidden)
        middle = self.norm(added, at + names.attended_norm)
        inner = self.activation(self.dense(middle, at + names.inner))
        outer = self.dense(inner, at + names.outer, rows=width)
        return self.norm(self.graph.add("Add", outer, middle), at + names.outer_norm)

    def head(self, hidden: str) -> tuple[str, int]:
        width = self.shape.hidden
        first = self.graph.add("Gather", hidden, self.graph.constant("first", np.array(0)), axis=1)
        pooled = self.graph.add(self.family.activation, self.dense(first, self.family.dense, rows=width))
        columns = len(self.weights.get(f"{self.family.classifier}.bias", None))
        return self.dense(pooled, self.family.classifier, rows=columns), columns

    def dense(self, taken: str, name: str, rows: int | None = None) -> str:
        """Return ``taken @ weight.T + bias``; the checkpoint keeps weights as (outputs, inputs)."""
        weight = self.weights.get(f"{name}.weight", rows, None)
        bias = self.weights.get(f"{name}.bias", weight.shape[0])
        product = self.graph.add("MatMul", taken, self.graph.constant(f"{name}.weight", weight.T))
        return self.graph.add("Add", product, self.graph.constant(f"{name}.bias", bias))

    def norm(self, taken: str, name: str) -> str:
        width = self.shape.hidden
        scale, shift = (
            self.graph.constant(f"{name}.{part}", self.weights.get(f"{name}.{part}", width))
            for part in ("weight", "bias")
        )
        return self.graph.add("LayerNormalization", taken, scale, shift, epsilon=self.shape.epsilon)

    def activation(self, taken: str) -> str:
        kind = self.shape.activation
        if kind == "gelu":
            return self._gelu(taken)
        if kind in _TANH_GELU:
            return self.graph.add_microsoft("FastGelu", taken)
        if kind == "relu":
            return self.graph.add("Relu", taken)
        raise TargetError(
            f"the activation {kind!r} cannot be drawn (only gelu, relu, {', '.join(sorted(_TANH_GELU))}); "
            "export the checkpoint to ONNX with optimum and serve that folder"
        )

    def _gelu(self, taken: str) -> str:
        """Return ``x / 2 * (1 + erf(x / sqrt(2)))``."""
        graph = self.graph
        root, one, half = (self._scalar(value) for value in (math.sqrt(2.0), 1.0, 0.5))
        shifted = graph.add("Add", graph.add("Erf", graph.add("Div", taken, root)), one)
        return graph.add("Mul", graph.add("Mul", taken, shifted), half)

    def _scalar(self, value: float) -> str:
        name = f"scalar_{value:.3f}"
        if not self.graph.has_constant(name):
            self.graph.constant(name, value)
        return name

    def _named(self, name: str) -> str:
        return self.family.prefix + name
