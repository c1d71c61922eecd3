"""A network as a value: its layers and the shape of a row. It is JSON on disk, and pure functions when it runs."""

__all__ = ("Network", "Variables", "flat", "init_program", "mlp", "unflat", "variable_shapes")

from functools import cache
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from pulse_ai.numerics import keys
from pulse_ai.train import layers as spec
from pulse_ai.train.errors import BadNetwork
from pulse_ai.train.modules import Stack
from pulse_ai.train.shapes import shapes_along
from pulse_ai.train.xla import jax, jnp

# A tree of arrays: {"params": {layer: {name: array}}, "batch_stats": …}, as Flax has it.
Variables = dict[str, Any]

_MOST_LAYERS = 1_000


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a network is made of. It holds no weights: those are ``Variables``, made by ``init``.

    Attributes:
        layers: What a row goes through.
        input_shape: The shape of one row, without the batch axis.
        input_dtype: ``"float32"``, or ``"int32"`` for codes that go into an embedding.
        compute: What is computed in: ``"float32"``, or ``"bfloat16"`` for mixed precision. Weights, loss and
            what comes out are float32 in both.

    Raises:
        BadNetwork: The layers do not fit together; the text names the first that does not.

    Example:
        >>> net = Network((spec.Dense(8, "relu"), spec.Dense(1)), input_shape=(4,))
        >>> net.output_shape
        (1,)
        >>> Network.from_json(net.to_json()) == net
        True
    """

    layers: Annotated[tuple[spec.AnyLayer, ...], msgspec.Meta(min_length=1, max_length=_MOST_LAYERS)]
    input_shape: tuple[spec.Count, ...]
    input_dtype: Literal["float32", "int32"] = "float32"
    compute: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        if not self.layers:
            raise BadNetwork("a network has at least one layer")
        shapes_along(self.layers, self.input_shape)
        if isinstance(self.layers[0], spec.Embedding) != (self.input_dtype == "int32"):
            raise BadNetwork(
                f"an embedding comes first, and alone takes int32; the input is {self.input_dtype}"
            )

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of what comes out for one row."""
        return shapes_along(self.layers, self.input_shape)[-1]

    def to_json(self) -> bytes:
        """Return the network as JSON, without its weights."""
        return msgspec.json.encode(self)

    @staticmethod
    def from_json(text: bytes | str) -> "Network":
        """Return the network that ``to_json`` wrote.

        Raises:
            BadNetwork: The text is no network, or its layers do not fit together.
        """
        try:
            return msgspec.json.decode(text, type=Network)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise BadNetwork(f"this is no network: {error}") from error

    def init(self, seed: int = 0) -> Variables:
        """Return new weights; the same seed gives the same ones, bit for bit.

        Example:
            >>> weights = mlp(4, 3, hidden=(8,)).init(seed=1)
            >>> weights["params"]["dense_0"]["kernel"].shape
            (4, 8)
        """
        return init_program(self)(keys.key(seed))

    def apply(self, variables: Variables, rows: Any) -> Any:
        """Return what comes out for a batch, float32 ``(batch, *output_shape)``, as it is after training.

        It can be called in a compiled function. ``outputs_of`` compiles it and takes any number of rows.
        """
        return self.module.apply(variables, self.cast(rows), False, None).astype(jnp.float32)  # noqa: FBT003

    def forward(self, variables: Variables, rows: Any, mask: Any, key: Any) -> tuple[Any, Any]:
        """Return what comes out for a batch in training, and the new running means of batch norm."""
        out, changed = self.module.apply(
            variables,
            self.cast(rows),
            True,  # noqa: FBT003
            mask,
            rngs={"dropout": key},
            mutable=["batch_stats"],
        )
        return out.astype(jnp.float32), changed.get("batch_stats", {})

    @property
    def module(self) -> Any:
        """The Flax module that the layers make."""
        return Stack(self.layers, jnp.dtype(self.compute))

    def cast(self, rows: Any) -> Any:
        """Return rows in the dtype that is computed in; codes stay int32."""
        return rows if self.input_dtype == "int32" else rows.astype(self.compute)


def flat(parameters: Any) -> Any:
    """Return the numbers of all parameters as one float32 vector, in the order of the tree's leaves.

    Training works on the vector: an optimiser's step is then one loop over memory instead of one for each
    layer's kernel and bias, which is faster to run and to compile.
    """
    return jnp.concatenate(
        [leaf.ravel() for leaf in jax.tree.leaves(parameters)] or [jnp.zeros(0, jnp.float32)]
    )


def unflat(network: Network, vector: Any) -> Any:
    """Return the tree of parameters of ``flat``."""
    leaves, structure = jax.tree.flatten(variable_shapes(network)["params"])
    ends = np.cumsum([leaf.size for leaf in leaves]).tolist()
    parts = [
        vector[end - leaf.size : end].reshape(leaf.shape) for leaf, end in zip(leaves, ends, strict=True)
    ]
    return jax.tree.unflatten(structure, parts)


@cache
def variable_shapes(network: Network) -> Any:
    """Return the tree of a network's variables, with shapes and dtypes for arrays; nothing is computed."""
    return jax.eval_shape(init_program(network), np.zeros(2, np.uint32))


@cache
def init_program(network: Network) -> Any:
    """Return the compiled function from a key to new weights."""
    sample = np.zeros((1, *network.input_shape), network.input_dtype)

    def initial(key: Any) -> Variables:
        keyed = {"params": jax.random.wrap_key_data(key)}
        made = network.module.init(keyed, network.cast(jnp.asarray(sample)), False, None)  # noqa: FBT003
        return {"params": made.get("params", {}), "batch_stats": made.get("batch_stats", {})}

    # It runs once, so it is compiled without optimising: half a second instead of one.
    return jax.jit(initial, compiler_options={"xla_backend_optimization_level": 0})


def mlp(
    width: int,
    outputs: int,
    *,
    hidden: tuple[int, ...] = (64, 64),
    activation: spec.Activations = "relu",
    dropout: float = 0.0,
    compute: Literal["float32", "bfloat16"] = "float32",
) -> Network:
    """Return a multi-layer perceptron: dense layers with an activation, and a last one without.

    Args:
        width: How many features a row has.
        outputs: How many numbers come out: 1 for yes or no, the number of classes, or 1 for a value.
        hidden: The width of each hidden layer; empty for a linear model.
        activation: Of the hidden layers.
        dropout: The share that is dropped after each hidden layer in training, in [0, 1).
        compute: ``"bfloat16"`` for mixed precision.

    Raises:
        BadNetwork: A width is below 1, or dropout is out of its range.

    Example:
        >>> mlp(4, 3).output_shape
        (3,)
    """
    if min((width, outputs, *hidden)) < 1 or not 0.0 <= dropout < 1.0:
        raise BadNetwork(
            f"widths are at least 1 and dropout is in [0, 1); given {width}, {hidden}, {outputs} and {dropout}"
        )
    layers: list[spec.AnyLayer] = []
    for size in hidden:
        layers.append(spec.Dense(size, activation))
        if dropout:
            layers.append(spec.Dropout(dropout))
    return Network((*layers, spec.Dense(outputs)), input_shape=(width,), compute=compute)
