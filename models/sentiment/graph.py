"""The classifier as an ONNX graph, written node by node with ONNX Runtime's fused operators.

Writing the graph leaves nothing to an exporter or to pattern matching:
attention, bias with GELU, and residual with normalisation are one operator
each. Word embeddings are 8-bit integers with a scale for each word, a quarter
of the size, and exact to a thousandth; token types are already in the
positions, so the graph has two inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from .encoder import EncoderShape

__all__ = ("build_graph",)

CONTRIB = "com.microsoft"
OPSET = 17
IR_VERSION = 8
EMBEDDING_STEPS = 127


class _Builder:
    """Collects nodes and constants; each method adds one and returns its name."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, *inputs: str, out: str, domain: str = "", **attributes: float) -> str:
        node = helper.make_node(kind, inputs, [out], name=out, domain=domain)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        return out


def build_graph(
    weights: Mapping[str, NDArray[np.float32]], shape: EncoderShape, *, temperature: float
) -> ModelProto:
    """Return the float graph; its weights are ready for dynamic quantisation.

    Args:
        weights: The state of an `encoder.Classifier`, as arrays.
        shape: Its sizes.
        temperature: Divisor of the logits, folded into the head.
    """
    build = _Builder()
    hidden = _embed(build, weights, shape)
    build.node("Cast", "attention_mask", out="mask_int32", to=TensorProto.INT32)
    for number in range(shape.num_hidden_layers):
        hidden = _layer(build, weights, shape, f"layers.{number}", hidden)
    _classify(build, weights, hidden, temperature)
    graph = helper.make_graph(
        build.nodes,
        "sentiment",
        [
            helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "length"])
            for n in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])],
        build.constants,
    )
    imports = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, producer_name="pulse_ai")
    checker.check_model(model)
    return model


def _embed(build: _Builder, weights: Mapping[str, NDArray[np.float32]], shape: EncoderShape) -> str:
    words = weights["words.weight"]
    scales = np.abs(words).max(axis=1, keepdims=True).clip(1e-12) / EMBEDDING_STEPS
    build.constant("words", np.rint(words / scales).astype(np.int8))
    build.constant("word_scales", scales.astype(np.float32))
    build.node("Gather", "words", "input_ids", out="word_steps")
    build.node("Cast", "word_steps", out="word_floats", to=TensorProto.FLOAT)
    build.node("Gather", "word_scales", "input_ids", out="word_scale")
    build.node("Mul", "word_floats", "word_scale", out="word_vectors")
    build.constant("positions", weights["positions.weight"])
    for name, number in (("zero", 0), ("one", 1), ("two", 2)):
        build.constant(name, np.array([number], dtype=np.int64))
    build.node("Shape", "input_ids", out="ids_shape")
    build.node("Slice", "ids_shape", "one", "two", out="length")
    build.node("Slice", "positions", "zero", "length", out="position_vectors")
    build.node("Add", "word_vectors", "position_vectors", out="embedded")
    gain = build.constant("embedding_norm.weight", weights["embedding_norm.weight"])
    shift = build.constant("embedding_norm.bias", weights["embedding_norm.bias"])
    epsilon = shape.layer_norm_eps
    return build.node(
        "LayerNormalization", "embedded", gain, shift, out="embedding_norm", axis=-1, epsilon=epsilon
    )


def _layer(
    build: _Builder, weights: Mapping[str, NDArray[np.float32]], shape: EncoderShape, layer: str, hidden: str
) -> str:
    def matrix(part: str) -> str:
        return build.constant(f"{layer}.{part}.weight", weights[f"{layer}.{part}.weight"].T)

    def vector(part: str, kind: str = "bias") -> str:
        return build.constant(f"{layer}.{part}.{kind}", weights[f"{layer}.{part}.{kind}"])

    def add_and_norm(values: str, residual: str, dense: str, norm: str) -> str:
        inputs = (values, residual, vector(norm, "weight"), vector(norm), vector(dense))
        return build.node(
            "SkipLayerNormalization",
            *inputs,
            out=f"{layer}.{norm}",
            domain=CONTRIB,
            epsilon=shape.layer_norm_eps,
        )

    three = (matrix("query_key_value"), vector("query_key_value"))
    heads = shape.num_attention_heads
    mixed = build.node(
        "Attention", hidden, *three, "mask_int32", out=f"{layer}.mixed", domain=CONTRIB, num_heads=heads
    )
    attended = build.node("MatMul", mixed, matrix("attention_out"), out=f"{layer}.attended")
    hidden = add_and_norm(attended, hidden, "attention_out", "attention_norm")
    widened = build.node("MatMul", hidden, matrix("feed_in"), out=f"{layer}.widened")
    bent = build.node("BiasGelu", widened, vector("feed_in"), out=f"{layer}.bent", domain=CONTRIB)
    fed = build.node("MatMul", bent, matrix("feed_out"), out=f"{layer}.fed")
    return add_and_norm(fed, hidden, "feed_out", "feed_norm")


def _classify(
    build: _Builder, weights: Mapping[str, NDArray[np.float32]], hidden: str, temperature: float
) -> None:
    build.node("Cast", "attention_mask", out="mask_float", to=TensorProto.FLOAT)
    build.node("ReduceSum", "mask_float", "one", out="token_count", keepdims=1)
    build.node("Div", "mask_float", "token_count", out="token_weights")
    build.node("Unsqueeze", "token_weights", "one", out="token_row")
    build.node("MatMul", "token_row", hidden, out="pooled_row")
    build.node("Squeeze", "pooled_row", "one", out="pooled")
    head = build.constant("head.weight", weights["head.weight"].T / np.float32(temperature))
    bias = build.constant("head.bias", weights["head.bias"] / np.float32(temperature))
    build.node("Gemm", "pooled", head, bias, out="logits")
