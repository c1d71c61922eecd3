"""Layers as values: what a network is made of, written to JSON and read back, never code.

Each layer is a frozen struct with the numbers that define it; ``modules.py`` builds it with Flax,
``export.py`` writes it as ONNX, ``picture.py`` draws it. A layer is for one row: the batch axis is implied.
"""

__all__ = (
    "ACTIVATIONS",
    "Activation",
    "AnyLayer",
    "Attention",
    "BatchNorm",
    "Convolution",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalPool",
    "Layer",
    "LayerNorm",
    "Pool",
    "Positions",
    "Recurrent",
    "Residual",
    "kind_of",
)

from typing import Annotated, Literal

import msgspec

Activations = Literal["linear", "relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "softplus"]
ACTIVATIONS: tuple[str, ...] = (
    "linear",
    "relu",
    "leaky_relu",
    "elu",
    "gelu",
    "silu",
    "tanh",
    "sigmoid",
    "softplus",
)

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Share = Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)]
Sizes = Annotated[tuple[Count, ...], msgspec.Meta(min_length=1, max_length=3)]


class Layer(msgspec.Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True):
    """What all layers are."""


class Dense(Layer, frozen=True, tag="dense"):
    """A linear map of the last axis, and an activation.

    Attributes:
        width: How many numbers come out.
        activation: One of ``ACTIVATIONS``.
        bias: Whether a learned number is added to each.
    """

    width: Count
    activation: Activations = "linear"
    bias: bool = True


class Embedding(Layer, frozen=True, tag="embedding"):
    """A learned vector for each code: int32 ``(…)`` becomes ``(…, width)``.

    Attributes:
        count: How many codes there are; codes are in ``[0, count)``, and are clipped to it.
        width: The length of each vector.
    """

    count: Count
    width: Count


class Positions(Layer, frozen=True, tag="positions"):
    """A learned vector added at each place of a sequence; attention alone does not know the order."""


class BatchNorm(Layer, frozen=True, tag="batch_norm"):
    """Each feature brought to mean 0 and deviation 1, over the batch in training, over the running mean after.

    Rows that only fill up a batch are left out of its mean. Source: S. Ioffe and C. Szegedy, "Batch
    Normalization" (2015).

    Attributes:
        momentum: The share of the running mean that each batch keeps.
        epsilon: Added to the variance.
    """

    momentum: Share = 0.9
    epsilon: float = 1e-5


class LayerNorm(Layer, frozen=True, tag="layer_norm"):
    """Each row brought to mean 0 and deviation 1 over its last axis, then scaled and moved as learned.

    Source: J. L. Ba, J. R. Kiros and G. Hinton, "Layer Normalization" (2016).

    Attributes:
        epsilon: Added to the variance.
    """

    epsilon: float = 1e-6


class Dropout(Layer, frozen=True, tag="dropout"):
    """A random share of the numbers set to 0 in training, the others scaled up; nothing afterwards.

    Attributes:
        rate: The share, in [0, 1).
    """

    rate: Share


class Activation(Layer, frozen=True, tag="activation"):
    """A function of each number.

    Attributes:
        name: One of ``ACTIVATIONS``; gelu in its tanh form, leaky_relu with slope 0.01.
    """

    name: Activations


class Flatten(Layer, frozen=True, tag="flatten"):
    """All axes of a row become one."""


class Convolution(Layer, frozen=True, tag="convolution"):
    """A window that slides over one, two or three axes; channels come last: ``(length, channels)`` and so on.

    Attributes:
        width: How many channels come out.
        size: The window, a number for each axis that it slides over.
        stride: How far it moves.
        padding: ``"same"``: zeros around, so that stride 1 keeps the size; ``"valid"``: none.
        activation: One of ``ACTIVATIONS``.
    """

    width: Count
    size: Sizes
    stride: Count = 1
    padding: Literal["same", "valid"] = "same"
    activation: Activations = "linear"


class Pool(Layer, frozen=True, tag="pool"):
    """The largest number, or the mean, of windows that do not overlap; what is left over at the end is dropped.

    Attributes:
        size: The window, a number for each axis but the channels.
        by: ``"max"`` or ``"mean"``.
    """

    size: Sizes
    by: Literal["max", "mean"] = "max"


class GlobalPool(Layer, frozen=True, tag="global_pool"):
    """The largest number, or the mean, over all axes but the channels.

    Attributes:
        by: ``"max"`` or ``"mean"``.
    """

    by: Literal["max", "mean"] = "mean"


class Recurrent(Layer, frozen=True, tag="recurrent"):
    """A cell that goes along a sequence: ``(length, features)`` becomes ``(width,)``, or ``(length, width)``.

    Attributes:
        width: The size of its memory, and of what comes out.
        cell: ``"lstm"``, ``"gru"`` or ``"simple"`` (tanh).
        each: Whether what it gives at each place comes out, or only the last.
        both_ways: Whether a second cell goes from the end to the beginning; the two are joined, so that the
            width doubles.
    """

    width: Count
    cell: Literal["lstm", "gru", "simple"] = "lstm"
    each: bool = False
    both_ways: bool = False


class Attention(Layer, frozen=True, tag="attention"):
    """Each place of a sequence looks at all places: ``(length, width)`` stays ``(length, width)``.

    Source: A. Vaswani et al., "Attention Is All You Need" (2017), multi-head self-attention.

    Attributes:
        heads: How many looks at once; the width must be a multiple.
        causal: Whether a place sees only itself and the ones before.
    """

    heads: Count = 1
    causal: bool = False


class Residual(Layer, frozen=True, tag="residual"):
    """Layers whose input is added to what they give; where the widths differ, the input is mapped first.

    Source: K. He et al., "Deep Residual Learning for Image Recognition" (2015).

    Attributes:
        layers: What it goes through; only the last axis may change its size.
    """

    layers: "tuple[AnyLayer, ...]"


AnyLayer = (
    Dense
    | Embedding
    | Positions
    | BatchNorm
    | LayerNorm
    | Dropout
    | Activation
    | Flatten
    | Convolution
    | Pool
    | GlobalPool
    | Recurrent
    | Attention
    | Residual
)


def kind_of(layer: Layer) -> str:
    """Return the word for a layer's kind, such as ``"batch_norm"``."""
    return str(layer.__struct_config__.tag)
