"""The layers as Flax modules: the only file that knows Flax.

A module is called as ``module(x, train, mask)``: a batch, whether it is training, and a boolean for each row
that says whether it counts (rows that only fill up the last batch do not; batch norm must not see them).
"""

__all__ = ("Stack",)

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flax import linen

from pulse_ai.train import layers as spec
from pulse_ai.train.xla import jax, jnp

nn: Any = linen  # its annotations are partial

_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda x: x,
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,
    "elu": jax.nn.elu,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
}
_CELLS: dict[str, Any] = {"lstm": nn.OptimizedLSTMCell, "gru": nn.GRUCell, "simple": nn.SimpleCell}
# He's scale for activations that cut half of their input off, LeCun's for the others.
_HALVING = {"relu", "leaky_relu", "elu", "gelu", "silu"}


@dataclass(frozen=True, slots=True)
class _Call:
    """What a layer is called with, but for the batch."""

    name: str
    dtype: Any
    train: bool
    mask: Any


class Stack(linen.Module):
    """Layers one after another. Parameters are called ``kind_number/...``, such as ``dense_0/kernel``.

    Attributes:
        layers: What a batch goes through.
        dtype: What is computed in; parameters are float32 always.
    """

    layers: tuple[spec.AnyLayer, ...]
    dtype: Any = jnp.float32

    @linen.compact
    def __call__(self, x: Any, train: bool, mask: Any) -> Any:  # noqa: FBT001 - Flax's own convention
        """Return what comes out for a batch."""
        for number, layer in enumerate(self.layers):
            name = f"{spec.kind_of(layer)}_{number}"
            x = _FORWARD[type(layer)](layer, x, _Call(name, self.dtype, train, mask))
        return x


def _initial(activation: str) -> Any:
    return nn.initializers.variance_scaling(
        2.0 if activation in _HALVING else 1.0, "fan_in", "truncated_normal"
    )


@jax.custom_vjp
def _multiplied(x: Any, kernel: Any) -> Any:
    """Return ``x @ kernel``; its gradient by the kernel is computed in the form that is fast on the CPU.

    The product ``x.T @ g`` packs all of ``x`` once more in each call of Eigen's. Turned round before, behind a
    barrier that keeps XLA from undoing it, it is a product of rows, for which XLA has a better kernel: 26 instead
    of 32 us for 256 rows and a kernel of (64, 64), on a Zen 4 core. A kernel with few columns would waste that
    kernel's width: there, ``(g.T @ x).T`` takes 1.4 us for (64, 2), and ``x.T @ g`` 19.
    """
    return x @ kernel


def _multiplied_there(x: Any, kernel: Any) -> tuple[Any, tuple[Any, Any]]:
    return x @ kernel, (x, kernel)


def _multiplied_back(kept: tuple[Any, Any], g: Any) -> tuple[Any, Any]:
    x, kernel = kept
    rows, slopes = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    if kernel.shape[1] * 4 <= kernel.shape[0]:
        change = jax.lax.optimization_barrier(jax.lax.optimization_barrier(slopes.T) @ rows).T
    else:
        change = jax.lax.optimization_barrier(rows.T) @ slopes
    return g @ kernel.T, change


_multiplied.defvjp(_multiplied_there, _multiplied_back)


def _product(x: Any, kernel: Any, *_: Any, **__: Any) -> Any:
    """Return ``x @ kernel``, as Flax calls it."""
    return _multiplied(x, kernel)


def _dense(layer: spec.Dense, x: Any, call: _Call) -> Any:
    build = nn.Dense(
        dot_general=_product,
        features=layer.width,
        use_bias=layer.bias,
        dtype=call.dtype,
        kernel_init=_initial(layer.activation),
        name=call.name,
    )
    return _ACTIVATIONS[layer.activation](build(x))


def _embedding(layer: spec.Embedding, x: Any, call: _Call) -> Any:
    codes = jnp.clip(x, 0, layer.count - 1)
    return nn.Embed(layer.count, layer.width, dtype=call.dtype, name=call.name)(codes)


class _Positions(linen.Module):
    dtype: Any

    @linen.compact
    def __call__(self, x: Any) -> Any:
        places = self.param("places", nn.initializers.normal(0.02), x.shape[1:])
        return x + places.astype(self.dtype)


def _positions(layer: spec.Positions, x: Any, call: _Call) -> Any:
    del layer
    return _Positions(call.dtype, name=call.name)(x)


def _batch_norm(layer: spec.BatchNorm, x: Any, call: _Call) -> Any:
    build = nn.BatchNorm(
        use_running_average=not call.train,
        momentum=layer.momentum,
        epsilon=layer.epsilon,
        dtype=call.dtype,
        name=call.name,
    )
    mask = None if call.mask is None else call.mask.reshape(-1, *[1] * (x.ndim - 1))
    return build(x, mask=mask)


def _layer_norm(layer: spec.LayerNorm, x: Any, call: _Call) -> Any:
    return nn.LayerNorm(epsilon=layer.epsilon, dtype=call.dtype, name=call.name)(x)


def _dropout(layer: spec.Dropout, x: Any, call: _Call) -> Any:
    return nn.Dropout(layer.rate, deterministic=not call.train, name=call.name)(x)


def _activation(layer: spec.Activation, x: Any, call: _Call) -> Any:
    del call
    return _ACTIVATIONS[layer.name](x)


def _flatten(layer: spec.Flatten, x: Any, call: _Call) -> Any:
    del layer, call
    return x.reshape(x.shape[0], -1)


def _convolution(layer: spec.Convolution, x: Any, call: _Call) -> Any:
    build = nn.Conv(
        layer.width,
        layer.size,
        strides=layer.stride,
        padding=layer.padding.upper(),
        dtype=call.dtype,
        kernel_init=_initial(layer.activation),
        name=call.name,
    )
    return _ACTIVATIONS[layer.activation](build(x))


def _pool(layer: spec.Pool, x: Any, call: _Call) -> Any:
    del call
    return (nn.max_pool if layer.by == "max" else nn.avg_pool)(x, layer.size, layer.size)


def _global_pool(layer: spec.GlobalPool, x: Any, call: _Call) -> Any:
    del call
    axes = tuple(range(1, x.ndim - 1))
    return x.max(axes) if layer.by == "max" else x.mean(axes)


def _recurrent(layer: spec.Recurrent, x: Any, call: _Call) -> Any:
    def along(name: str, *, reverse: bool) -> Any:
        cell = _CELLS[layer.cell](layer.width, dtype=call.dtype, name=f"{name}_cell")
        return nn.RNN(cell, reverse=reverse, keep_order=reverse, name=name)(x)

    there = along(call.name, reverse=False)
    last = there[:, -1]
    if layer.both_ways:
        back = along(f"{call.name}_back", reverse=True)
        there, last = jnp.concatenate([there, back], -1), jnp.concatenate([last, back[:, 0]], -1)
    return there if layer.each else last


def _attention(layer: spec.Attention, x: Any, call: _Call) -> Any:
    build = nn.MultiHeadDotProductAttention(
        num_heads=layer.heads, dtype=call.dtype, deterministic=True, name=call.name
    )
    return build(x, mask=nn.make_causal_mask(x[..., 0]) if layer.causal else None)


def _residual(layer: spec.Residual, x: Any, call: _Call) -> Any:
    out = Stack(layer.layers, call.dtype, name=call.name)(x, call.train, call.mask)
    if x.shape[-1] != out.shape[-1]:
        x = nn.Dense(out.shape[-1], use_bias=False, dtype=call.dtype, name=f"{call.name}_map")(x)
    return x + out


_FORWARD: dict[type, Callable[[Any, Any, _Call], Any]] = {
    spec.Dense: _dense,
    spec.Embedding: _embedding,
    spec.Positions: _positions,
    spec.BatchNorm: _batch_norm,
    spec.LayerNorm: _layer_norm,
    spec.Dropout: _dropout,
    spec.Activation: _activation,
    spec.Flatten: _flatten,
    spec.Convolution: _convolution,
    spec.Pool: _pool,
    spec.GlobalPool: _global_pool,
    spec.Recurrent: _recurrent,
    spec.Attention: _attention,
    spec.Residual: _residual,
}
