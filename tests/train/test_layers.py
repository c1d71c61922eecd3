"""Each layer: the shape that is foretold is the shape that comes, it is JSON, and its ONNX form agrees with it."""

from typing import Any, cast

import jax
import msgspec
import numpy as np
import onnxruntime
import pytest

from pulse_ai.train import (
    ACTIVATIONS,
    Activation,
    Attention,
    BadNetwork,
    BatchNorm,
    Convolution,
    Dense,
    Dropout,
    Embedding,
    ExportError,
    Flatten,
    GlobalPool,
    LayerNorm,
    Network,
    Pool,
    Positions,
    Recurrent,
    Residual,
    flattened,
    layer_lines,
    mermaid_of,
    mlp,
    network_to_onnx,
    outputs_of,
    table_of,
)
from pulse_ai.train.network import variable_shapes

NETWORKS = {
    "mlp": mlp(5, 3, hidden=(8, 4), dropout=0.5),
    "dense on a sequence": Network((Dense(3, "tanh", bias=False), Dense(2)), input_shape=(4, 5)),
    "narrow": Network((Dense(16, "silu"), Dense(2)), input_shape=(5,)),
    "norms": Network((BatchNorm(), Dense(6), LayerNorm(), Dense(2)), input_shape=(5,)),
    "residual": Network((Residual((Dense(7, "relu"), Residual((Dense(7),)))), Dense(2)), input_shape=(5,)),
    "embedding": Network((Embedding(9, 4), Positions(), Flatten(), Dense(2)), (6,), input_dtype="int32"),
    "image": Network(
        (Convolution(4, (3, 3), stride=2, activation="relu"), Pool((2, 2)), Flatten(), Dense(2)),
        input_shape=(9, 7, 3),
    ),
    "signal": Network(
        (Convolution(4, (3,), padding="valid"), Pool((2,), "mean"), GlobalPool("max"), Dense(2)),
        input_shape=(11, 2),
    ),
    "attention": Network((Attention(2), GlobalPool(), Dense(2)), input_shape=(5, 4)),
}
ONLY_PYTHON = {
    "lstm": Network((Recurrent(3, both_ways=True), Dense(2)), input_shape=(5, 4)),
    "gru": Network((Recurrent(3, "gru", each=True), Recurrent(2, "simple")), input_shape=(5, 4)),
    "causal": Network((Attention(1, causal=True), Flatten()), input_shape=(3, 2)),
}


def _rows(network: Network, count: int = 3) -> Any:
    random = np.random.default_rng(1)
    if network.input_dtype == "int32":
        return random.integers(-2, 12, (count, *network.input_shape)).astype(np.int32)
    return random.normal(size=(count, *network.input_shape)).astype(np.float32)


def _variables(network: Network) -> Any:
    """Return weights and running means that are all different, without compiling an initialisation."""
    random: Any = np.random.default_rng(2)

    def some(leaf: Any) -> Any:
        return (random.uniform(0.1, 1.0, leaf.shape) - 0.4 * (leaf.ndim > 1)).astype(np.float32)

    return jax.tree.map(some, variable_shapes(network))


def _run(model: Any, rows: Any) -> Any:
    session: Any = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"features": rows})[0]


@pytest.mark.parametrize("name", [*NETWORKS, *ONLY_PYTHON])
def test_the_shape_that_is_foretold_is_the_shape_that_comes(name: str) -> None:
    network = (NETWORKS | ONLY_PYTHON)[name]
    found: Any = jax.eval_shape(network.apply, variable_shapes(network), _rows(network))
    assert found.shape == (3, *network.output_shape)
    assert found.dtype == np.float32
    assert Network.from_json(network.to_json()) == network


@pytest.mark.parametrize("name", NETWORKS)
def test_the_graph_agrees_with_the_network(name: str) -> None:
    network = NETWORKS[name]
    variables, rows = _variables(network), _rows(network)
    model = network_to_onnx(network, variables)
    found = _run(model, rows)
    np.testing.assert_allclose(found, outputs_of(network, variables, rows), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(_run(model, rows[:1]), found[:1], rtol=1e-5, atol=1e-5)


def test_every_activation_has_the_same_graph() -> None:
    for name in ACTIVATIONS:
        alone = Network((Activation(cast("Any", name)),), input_shape=(64,))
        rows = np.linspace(-6, 6, 64, dtype=np.float32)[None]
        model = network_to_onnx(alone, {"params": {}, "batch_stats": {}})
        wanted = alone.apply({"params": {}, "batch_stats": {}}, rows)
        np.testing.assert_allclose(_run(model, rows), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "says"), [("lstm", "recurrent_0"), ("gru", "recurrent_0"), ("causal", "causal")]
)
def test_a_layer_without_a_graph_is_named(name: str, says: str) -> None:
    network = ONLY_PYTHON[name]
    with pytest.raises(ExportError, match=says):
        network_to_onnx(network, _variables(network))


@pytest.mark.parametrize(
    ("layers", "shape", "says"),
    [
        ((), (3,), "at least one layer"),
        ((Dense(2), Recurrent(2)), (3,), r"layer 1 \(recurrent\)"),
        ((Convolution(2, (5,), padding="valid"),), (3, 1), "larger"),
        ((Pool((4,)),), (3, 1), "larger"),
        ((Attention(3),), (4, 4), "3 heads"),
        ((Residual((Flatten(),)),), (4, 4), "only the last axis"),
        ((Embedding(4, 2),), (4,), "int32"),
        ((GlobalPool(),), (4,), "two axes"),
    ],
)
def test_layers_that_do_not_fit_are_named_before_anything_is_built(
    layers: Any, shape: Any, says: str
) -> None:
    with pytest.raises(BadNetwork, match=says):
        Network(layers, input_shape=shape)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"layers": [], "input_shape": [1]}',
        b'{"layers": [{"kind": "dense", "width": 0}], "input_shape": [1]}',
        b'{"layers": [{"kind": "import os"}], "input_shape": [1]}',
        b'{"layers": [{"kind": "dense", "width": 1, "code": "x"}], "input_shape": [1]}',
        b'{"layers": [{"kind": "dense", "width": 99999999999}], "input_shape": [1]}',
        b'{"layers": ['
        + b'{"kind": "residual", "layers": [' * 5000
        + b"]}" * 5000
        + b'], "input_shape": [1]}',
    ],
)
def test_text_that_is_no_network_is_an_error(text: bytes) -> None:
    with pytest.raises(BadNetwork):
        Network.from_json(text)


def test_dropout_drops_in_training_only() -> None:
    network = Network((Dropout(0.5),), input_shape=(1000,))
    rows = np.ones((1, 1000), np.float32)
    nothing: Any = {"params": {}, "batch_stats": {}}
    out: np.ndarray[Any, Any] = np.asarray(
        network.forward(nothing, rows, np.ones(1, bool), jax.random.key(0))[0]
    )
    assert set(np.unique(out).tolist()) == {0.0, 2.0}
    assert float(np.mean(out)) == pytest.approx(1.0, abs=0.15)
    np.testing.assert_array_equal(network.apply(nothing, rows), rows)


def test_attention_that_is_causal_does_not_see_what_comes_later() -> None:
    network = ONLY_PYTHON["causal"]
    variables, rows = _variables(network), _rows(network, 1)
    changed = rows.copy()
    changed[0, 2] += 5.0
    one, other = (network.apply(variables, given).reshape(3, 2) for given in (rows, changed))
    np.testing.assert_allclose(one[:2], other[:2], rtol=1e-6)
    assert not np.allclose(one[2], other[2])


def test_the_table_counts_every_parameter() -> None:
    for network in (NETWORKS | ONLY_PYTHON).values():
        count = sum(leaf.size for leaf in flattened(_variables(network)["params"]).values())
        assert sum(line.parameters for line in layer_lines(network)) == count
        assert f"| {count:,}" in table_of(network)


def test_the_picture_shows_the_way_round_a_residual() -> None:
    lines = mermaid_of(NETWORKS["residual"]).splitlines()
    assert lines[0] == "flowchart TD"
    assert "  input -->|5| residual_0" in lines
    assert "  residual_0_residual_1 -->|7| residual_0" in lines


def test_layers_are_plain_values() -> None:
    assert (
        msgspec.json.encode(Dense(3, "relu")) == b'{"kind":"dense","width":3,"activation":"relu","bias":true}'
    )
    assert hash(NETWORKS["mlp"]) == hash(mlp(5, 3, hidden=(8, 4), dropout=0.5))
