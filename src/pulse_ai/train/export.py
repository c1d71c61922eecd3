"""A network as ONNX, so that it can be served where there is no JAX.

Every layer is written with its weights inside; what only training needs (dropout) is left out, and batch norm
becomes one product and one sum. The result is a value of ``onnx``; nothing is written to disk here.
"""

__all__ = ("OPSET", "network_to_onnx")

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pulse_ai.train import layers as spec
from pulse_ai.train.errors import ExportError
from pulse_ai.train.network import Network, Variables

OPSET = 17  # as the graphs of recipes have it: the two are joined
_IR_VERSION = 8
_LEAKY_SLOPE = 0.01  # Flax's own
_SQRT_2_OVER_PI = 0.7978845608028654

Array = np.ndarray[Any, Any]


def network_to_onnx(network: Network, variables: Variables, *, output: str = "logits") -> Any:
    """Return an ``onnx.ModelProto`` that computes what ``network.apply`` does.

    Args:
        network: What is written.
        variables: Its weights.
        output: The name of what comes out.

    Returns:
        A model from ``features``, ``(batch, *input_shape)`` of any batch, to ``output``, float32
        ``(batch, *output_shape)``. It agrees with the network to about 1e-5.

    Raises:
        ExportError: A layer has no ONNX form here: recurrent ones; the text names the first.
    """
    from onnx import TensorProto, checker, helper

    graph = _Graph(variables)
    kind = TensorProto.INT32 if network.input_dtype == "int32" else TensorProto.FLOAT
    name = graph.run(network.layers, "features", (), len(network.input_shape) + 1)
    graph.node("Identity", [name], output)
    model: Any = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "network",
            [helper.make_tensor_value_info("features", kind, ["batch", *network.input_shape])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", *network.output_shape])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="pulse",
    )
    checker.check_model(model)
    return model


class _Graph:
    """Collects nodes and constants, layer by layer."""

    def __init__(self, variables: Variables) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._variables = variables

    def run(self, layers: Sequence[spec.AnyLayer], name: str, path: tuple[str, ...], axes: int) -> str:
        """Add layers one after another; return the name of what comes out."""
        for number, layer in enumerate(layers):
            here = (*path, f"{spec.kind_of(layer)}_{number}")
            form = _FORMS.get(type(layer))
            if form is None:
                raise ExportError(
                    f"layer {'/'.join(here)} has no ONNX form; serve this network from Python, "
                    "or use a layer that has one"
                )
            name, axes = form(_Place(self, here, axes), layer, name)
        return name

    def node(self, kind: str, inputs: Sequence[str], name: str = "", **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        from onnx import helper

        name = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, values: Any) -> str:
        """Add a constant; return its name."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def weights(self, collection: str, path: Sequence[str]) -> Any:
        """Return the weights at a path, as Flax keeps them."""
        found: Any = self._variables[collection]
        for name in path:
            found = found[name]
        return found


class _Place:
    """Where a layer stands: its weights, and how many axes a batch has there."""

    def __init__(self, graph: _Graph, path: tuple[str, ...], axes: int) -> None:
        self.graph, self.path, self.axes = graph, path, axes

    def weight(self, name: str, collection: str = "params") -> Array:
        return np.asarray(self.graph.weights(collection, self.path)[name], np.float32)

    def add(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        """Add a node; what is no name is a constant."""
        names = [one if isinstance(one, str) else self.graph.constant(one) for one in inputs]
        return self.graph.node(kind, names, **attributes)

    def activated(self, name: str, activation: str) -> str:
        return _ACTIVATIONS[activation](self, name)


Written = tuple[str, int]  # the name of what comes out, and how many axes it has


def _number(value: float) -> Array:
    return np.asarray(value, np.float32)


def _gelu(place: _Place, name: str) -> str:
    cube = place.add("Mul", place.add("Mul", name, name), name)
    inner = place.add("Add", name, place.add("Mul", cube, _number(0.044715)))
    bend = place.add("Tanh", place.add("Mul", inner, _number(_SQRT_2_OVER_PI)))
    half = place.add("Mul", name, _number(0.5))
    return place.add("Mul", half, place.add("Add", bend, _number(1.0)))


_ACTIVATIONS: dict[str, Callable[[_Place, str], str]] = {
    "linear": lambda _place, name: name,
    "relu": lambda place, name: place.add("Relu", name),
    "leaky_relu": lambda place, name: place.add("LeakyRelu", name, alpha=_LEAKY_SLOPE),
    "elu": lambda place, name: place.add("Elu", name, alpha=1.0),
    "gelu": _gelu,
    "silu": lambda place, name: place.add("Mul", name, place.add("Sigmoid", name)),
    "tanh": lambda place, name: place.add("Tanh", name),
    "sigmoid": lambda place, name: place.add("Sigmoid", name),
    "softplus": lambda place, name: place.add("Softplus", name),
}


def _dense(place: _Place, layer: spec.Dense, name: str) -> Written:
    name = place.add("MatMul", name, place.weight("kernel"))
    if layer.bias:
        name = place.add("Add", name, place.weight("bias"))
    return place.activated(name, layer.activation), place.axes


def _embedding(place: _Place, layer: spec.Embedding, name: str) -> Written:
    clipped = place.add("Clip", name, np.int32(0), np.int32(layer.count - 1))
    return place.add("Gather", place.weight("embedding"), clipped, axis=0), place.axes + 1


def _positions(place: _Place, layer: spec.Positions, name: str) -> Written:
    del layer
    return place.add("Add", name, place.weight("places")), place.axes


def _batch_norm(place: _Place, layer: spec.BatchNorm, name: str) -> Written:
    mean, variance = place.weight("mean", "batch_stats"), place.weight("var", "batch_stats")
    scale = place.weight("scale") / np.sqrt(variance + np.float32(layer.epsilon))
    shift = place.weight("bias") - mean * scale
    return place.add("Add", place.add("Mul", name, scale), shift), place.axes


def _layer_norm(place: _Place, layer: spec.LayerNorm, name: str) -> Written:
    scale, shift = place.weight("scale"), place.weight("bias")
    return place.add("LayerNormalization", name, scale, shift, axis=-1, epsilon=layer.epsilon), place.axes


def _activation(place: _Place, layer: spec.Activation, name: str) -> Written:
    return place.activated(name, layer.name), place.axes


def _flatten(place: _Place, layer: spec.Flatten, name: str) -> Written:
    del layer
    return place.add("Flatten", name, axis=1), 2


def _channels_first(place: _Place, name: str) -> str:
    return place.add("Transpose", name, perm=[0, place.axes - 1, *range(1, place.axes - 1)])


def _channels_last(place: _Place, name: str) -> str:
    return place.add("Transpose", name, perm=[0, *range(2, place.axes), 1])


def _convolution(place: _Place, layer: spec.Convolution, name: str) -> Written:
    kernel = place.weight("kernel")  # (*window, in, out), which ONNX wants as (out, in, *window)
    windows = range(len(layer.size))
    name = place.add(
        "Conv",
        _channels_first(place, name),
        kernel.transpose(len(layer.size) + 1, len(layer.size), *windows),
        place.weight("bias"),
        strides=[layer.stride] * len(layer.size),
        auto_pad="SAME_UPPER" if layer.padding == "same" else "VALID",
    )
    return place.activated(_channels_last(place, name), layer.activation), place.axes


def _pool(place: _Place, layer: spec.Pool, name: str) -> Written:
    kind = "MaxPool" if layer.by == "max" else "AveragePool"
    size = list(layer.size)
    name = place.add(kind, _channels_first(place, name), kernel_shape=size, strides=size)
    return _channels_last(place, name), place.axes


def _global_pool(place: _Place, layer: spec.GlobalPool, name: str) -> Written:
    kind = "ReduceMax" if layer.by == "max" else "ReduceMean"
    return place.add(kind, name, axes=list(range(1, place.axes - 1)), keepdims=0), 2


def _residual(place: _Place, layer: spec.Residual, name: str) -> Written:
    out = place.graph.run(layer.layers, name, place.path, place.axes)
    mapped = (*place.path[:-1], f"{place.path[-1]}_map")
    if mapped[-1] in place.graph.weights("params", place.path[:-1]):
        kernel = place.graph.weights("params", mapped)["kernel"]
        name = place.add("MatMul", name, np.asarray(kernel, np.float32))
    return place.add("Add", name, out), place.axes


def _attention(place: _Place, layer: spec.Attention, name: str) -> Written:
    """Write ``softmax(q k / sqrt(width)) v`` with a head axis: ``(batch, length, heads, width)``."""
    if layer.causal:
        raise ExportError(f"layer {'/'.join(place.path)} is causal, which has no ONNX form here")
    parts = place.graph.weights("params", place.path)

    def mapped(part: str, perm: list[int]) -> str:
        kernel = np.asarray(parts[part]["kernel"], np.float32)  # (width, heads, width of a head)
        flat = place.add("MatMul", name, kernel.reshape(kernel.shape[0], -1))
        flat = place.add("Add", flat, np.asarray(parts[part]["bias"], np.float32).reshape(-1))
        split = place.add("Reshape", flat, np.array([0, 0, *kernel.shape[1:]], np.int64))
        return place.add("Transpose", split, perm=perm)

    width = parts["query"]["kernel"].shape[-1]
    scores = place.add("MatMul", mapped("query", [0, 2, 1, 3]), mapped("key", [0, 2, 3, 1]))
    shares = place.add("Softmax", place.add("Mul", scores, _number(width**-0.5)), axis=-1)
    seen = place.add(
        "Transpose", place.add("MatMul", shares, mapped("value", [0, 2, 1, 3])), perm=[0, 2, 1, 3]
    )
    kernel = np.asarray(parts["out"]["kernel"], np.float32)  # (heads, width of a head, width)
    joined = place.add("Reshape", seen, np.array([0, 0, kernel.shape[0] * kernel.shape[1]], np.int64))
    out = place.add("MatMul", joined, kernel.reshape(-1, kernel.shape[-1]))
    return place.add("Add", out, np.asarray(parts["out"]["bias"], np.float32)), place.axes


_FORMS: dict[type, Callable[[_Place, Any, str], Written]] = {
    spec.Dense: _dense,
    spec.Embedding: _embedding,
    spec.Positions: _positions,
    spec.BatchNorm: _batch_norm,
    spec.LayerNorm: _layer_norm,
    spec.Dropout: lambda place, _layer, name: (name, place.axes),
    spec.Activation: _activation,
    spec.Flatten: _flatten,
    spec.Convolution: _convolution,
    spec.Pool: _pool,
    spec.GlobalPool: _global_pool,
    spec.Residual: _residual,
    spec.Attention: _attention,
}
