"""What BERT, DistilBERT and RoBERTa call the same things: one table, so that one graph serves all three."""

__all__ = ("FAMILIES", "Family", "Head", "Shape", "family_of", "shape_of")

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pulse_ai.core import LoadFailed, TargetError

Head = Literal["pooler", "pre_classifier", "first_token"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Names of parameters and config keys in one family of checkpoints.

    Attributes:
        prefix: What the encoder's parameters begin with.
        layer: Where layer ``{i}`` is, below the prefix.
        query, key, value, attended, attended_norm, inner, outer, outer_norm: The parts of one layer.
        dense: The head's first layer, with its full name.
        classifier: The head's last layer, with its full name.
        activation: What stands between the two, as an ONNX operator.
        keys: Config keys, where they differ from BERT's.
        offset_positions: Whether positions begin after the padding id and skip padding.
    """

    prefix: str
    dense: str
    classifier: str = "classifier"
    activation: str = "Tanh"
    layer: str = "encoder.layer.{i}."
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    attended: str = "attention.output.dense"
    attended_norm: str = "attention.output.LayerNorm"
    inner: str = "intermediate.dense"
    outer: str = "output.dense"
    outer_norm: str = "output.LayerNorm"
    keys: Mapping[str, str] | None = None
    offset_positions: bool = False


_ROBERTA = Family(
    prefix="roberta.",
    dense="classifier.dense",
    classifier="classifier.out_proj",
    offset_positions=True,
)

FAMILIES: Mapping[str, Family] = {
    "bert": Family(prefix="bert.", dense="bert.pooler.dense"),
    "distilbert": Family(
        prefix="distilbert.",
        dense="pre_classifier",
        activation="Relu",
        layer="transformer.layer.{i}.",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        attended="attention.out_lin",
        attended_norm="sa_layer_norm",
        inner="ffn.lin1",
        outer="ffn.lin2",
        outer_norm="output_layer_norm",
        keys={
            "hidden_size": "dim",
            "num_hidden_layers": "n_layers",
            "num_attention_heads": "n_heads",
            "hidden_act": "activation",
        },
    ),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
}
"""Each ``model_type`` that can be converted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes and choices of one encoder.

    Attributes:
        hidden: Width of a token's vector; a multiple of ``heads``.
        layers: How many layers.
        heads: Attention heads in a layer.
        activation: The config's name of the function inside a layer.
        epsilon: What layer normalisation adds to the variance.
        padding_id: The padding token, from which offset positions count.
    """

    hidden: int
    layers: int
    heads: int
    activation: str
    epsilon: float
    padding_id: int


def family_of(config: Mapping[str, Any]) -> Family:
    """Return the family of a ``config.json``.

    Raises:
        TargetError: No family here has that ``model_type``, or the checkpoint uses a variation that the
            converter does not draw.

    Example:
        >>> family_of({"model_type": "distilbert"}).dense
        'pre_classifier'
    """
    kind = str(config.get("model_type"))
    if kind not in FAMILIES:
        raise TargetError(
            f"a checkpoint of type {kind!r} cannot be converted here (only {', '.join(FAMILIES)}); export it "
            "to ONNX once (pip install 'optimum[onnxruntime]' torch, then optimum-cli export onnx) and serve "
            "the folder that makes"
        )
    positions = config.get("position_embedding_type", "absolute")
    if positions != "absolute" or config.get("is_decoder"):
        raise TargetError(
            f"this {kind} checkpoint has {positions} positions or is a decoder, which the converter does not "
            "draw; export it to ONNX with optimum and serve that folder"
        )
    return FAMILIES[kind]


def shape_of(config: Mapping[str, Any]) -> Shape:
    """Return the encoder's sizes from a ``config.json``.

    Raises:
        LoadFailed: A size is missing or impossible.

    Example:
        >>> config = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
        >>> shape_of({"model_type": "bert", **config}).activation
        'gelu'
    """
    keys = family_of(config).keys or {}
    hidden, layers, heads = (
        _size(config, keys.get(name, name))
        for name in ("hidden_size", "num_hidden_layers", "num_attention_heads")
    )
    if hidden % heads:
        raise LoadFailed(f"config.json: a hidden size of {hidden} does not divide into {heads} heads")
    return Shape(
        hidden=hidden,
        layers=layers,
        heads=heads,
        activation=str(config.get(keys.get("hidden_act", "hidden_act"), "gelu")),
        epsilon=_number(config, "layer_norm_eps", 1e-12),
        padding_id=int(_number(config, "pad_token_id", 1))
        if config.get("pad_token_id", 1) is not None
        else 0,
    )


def _size(config: Mapping[str, Any], key: str) -> int:
    value = config.get(key)
    if not isinstance(value, int) or value < 1:
        raise LoadFailed(f"config.json: {key} must be a whole number of at least 1, got {value!r}")
    return value


def _number(config: Mapping[str, Any], key: str, default: float) -> float:
    value = config.get(key, default)
    if not isinstance(value, int | float) or not abs(value) < 2**31:
        raise LoadFailed(f"config.json: {key} must be a number below 2**31, got {value!r}")
    return value
