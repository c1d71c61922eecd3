"""Which shape comes out of a layer: checked before anything is built, so that an error names the layer."""

__all__ = ("shape_after", "shapes_along")

from collections.abc import Callable, Sequence
from typing import Any

from pulse_ai.train import layers as spec
from pulse_ai.train.errors import BadNetwork

Shape = tuple[int, ...]


def shapes_along(layers: Sequence[spec.AnyLayer], shape: Shape) -> list[Shape]:
    """Return the shape of one row after each layer.

    Args:
        layers: The layers, in order.
        shape: The shape of one row that goes in, without the batch axis.

    Raises:
        BadNetwork: A layer cannot take what the one before gives; the text names it by its number.

    Example:
        >>> from pulse_ai.train.layers import Convolution, Flatten
        >>> shapes_along([Convolution(8, (3, 3), stride=2), Flatten()], (28, 28, 1))
        [(14, 14, 8), (1568,)]
    """
    found: list[Shape] = []
    for number, layer in enumerate(layers):
        try:
            shape = shape_after(layer, shape)
        except BadNetwork as error:
            raise BadNetwork(f"layer {number} ({spec.kind_of(layer)}): {error}") from None
        found.append(shape)
    return found


def shape_after(layer: spec.AnyLayer, shape: Shape) -> Shape:
    """Return the shape of one row after a layer.

    Raises:
        BadNetwork: The layer cannot take that shape.
    """
    rule = _RULES.get(type(layer))
    return shape if rule is None else rule(layer, shape)


def _need(axes: int, shape: Shape) -> None:
    if len(shape) != axes:
        raise BadNetwork(f"it takes rows with {axes} axes, and gets {shape}")


def _dense(layer: spec.Dense, shape: Shape) -> Shape:
    if not shape:
        raise BadNetwork("it takes rows with at least one axis, and gets single numbers")
    return (*shape[:-1], layer.width)


def _convolution(layer: spec.Convolution, shape: Shape) -> Shape:
    _need(len(layer.size) + 1, shape)
    return (*_windows(shape[:-1], layer.size, layer.stride, same=layer.padding == "same"), layer.width)


def _windows(shape: Shape, size: Shape, stride: int, *, same: bool) -> Shape:
    if not same and any(axis < window for axis, window in zip(shape, size, strict=True)):
        raise BadNetwork(f"its window {size} is larger than {shape}")
    if same:
        return tuple(-(-axis // stride) for axis in shape)
    return tuple((axis - window) // stride + 1 for axis, window in zip(shape, size, strict=True))


def _pool(layer: spec.Pool, shape: Shape) -> Shape:
    _need(len(layer.size) + 1, shape)
    if any(axis < window for axis, window in zip(shape, layer.size, strict=False)):
        raise BadNetwork(f"its window {layer.size} is larger than {shape[:-1]}")
    return (
        *(axis // window for axis, window in zip(shape[:-1], layer.size, strict=True)),
        shape[-1],
    )


def _global_pool(layer: spec.GlobalPool, shape: Shape) -> Shape:
    del layer
    if len(shape) < 2:
        raise BadNetwork(f"it takes rows with at least two axes, and gets {shape}")
    return shape[-1:]


def _recurrent(layer: spec.Recurrent, shape: Shape) -> Shape:
    _need(2, shape)
    width = layer.width * (2 if layer.both_ways else 1)
    return (shape[0], width) if layer.each else (width,)


def _attention(layer: spec.Attention, shape: Shape) -> Shape:
    _need(2, shape)
    if shape[-1] % layer.heads:
        raise BadNetwork(f"a width of {shape[-1]} cannot be shared by {layer.heads} heads")
    return shape


def _residual(layer: spec.Residual, shape: Shape) -> Shape:
    after = shapes_along(layer.layers, shape)[-1] if layer.layers else shape
    if after[:-1] != shape[:-1] or not shape:
        raise BadNetwork(f"only the last axis may change in a residual, and {shape} becomes {after}")
    return after


def _flatten(layer: spec.Flatten, shape: Shape) -> Shape:
    del layer
    total = 1
    for axis in shape:
        total *= axis
    return (total,)


def _positions(layer: spec.Positions, shape: Shape) -> Shape:
    del layer
    _need(2, shape)
    return shape


_RULES: dict[type, Callable[[Any, Shape], Shape]] = {
    spec.Dense: _dense,
    spec.Embedding: lambda layer, shape: (*shape, layer.width),
    spec.Positions: _positions,
    spec.Flatten: _flatten,
    spec.Convolution: _convolution,
    spec.Pool: _pool,
    spec.GlobalPool: _global_pool,
    spec.Recurrent: _recurrent,
    spec.Attention: _attention,
    spec.Residual: _residual,
}
