"""A BERT encoder with a two-class head in plain torch, able to train with the rounding of int8.

The shipped graph rounds each weight matrix per output column and each
activation tensor within a range. A network that has felt this rounding while
training loses next to nothing when it is exported, so `RoundedLinear` can
imitate it (quantisation-aware training, Jacob et al. 2018), with the range of
the batch at hand. Weights keep 7 bits: two products of an 8-bit activation
and a 7-bit weight fit in 16 bits, so processors without VNNI, which add such
pairs with saturation, give the same answers as those with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("ACTIVATION_STEPS", "WEIGHT_STEPS", "Classifier", "EncoderShape", "RoundedLinear")

WEIGHT_STEPS = 64
"""Greatest absolute value of a weight after rounding (7 bits with sign)."""

ACTIVATION_STEPS = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderShape:
    """Sizes of the encoder, under the names that a Hugging Face ``config.json`` uses."""

    vocab_size: int = 30522
    hidden_size: int = 384
    num_hidden_layers: int = 6
    num_attention_heads: int = 12
    intermediate_size: int = 1536
    max_position_embeddings: int = 512
    layer_norm_eps: float = 1e-12


def _round_weight(weight: Tensor) -> Tensor:
    scale = weight.detach().abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / WEIGHT_STEPS
    rounded = (weight.detach() / scale).round_() * scale
    return weight + (rounded - weight.detach())


def _round_activation(values: Tensor) -> Tensor:
    seen = values.detach()
    low, high = torch.aminmax(seen)
    low, high = low.clamp_max(0.0), high.clamp_min(0.0)
    scale = ((high - low) / ACTIVATION_STEPS).clamp_min(1e-12)
    rounded = torch.fake_quantize_per_tensor_affine(
        seen.float(), scale.float(), (-low / scale).round().to(torch.int32), 0, ACTIVATION_STEPS
    )
    return values + (rounded.to(values.dtype) - seen)


class RoundedLinear(nn.Linear):
    """A linear layer that computes as its int8 form will while ``rounding`` is true."""

    rounding: bool = False

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name that torch gives it)
        """Return ``input @ weight.T + bias``; gradients pass the rounding unchanged."""
        if not self.rounding:
            return functional.linear(input, self.weight, self.bias)
        return functional.linear(_round_activation(input), _round_weight(self.weight), self.bias)


class Layer(nn.Module):
    """One transformer layer, normalised after each residual as in BERT."""

    def __init__(self, shape: EncoderShape, dropout: float) -> None:
        super().__init__()
        hidden = shape.hidden_size
        self.heads = shape.num_attention_heads
        self.dropout = dropout
        self.query_key_value = RoundedLinear(hidden, 3 * hidden)
        self.attention_out = RoundedLinear(hidden, hidden)
        self.attention_norm = nn.LayerNorm(hidden, eps=shape.layer_norm_eps)
        self.feed_in = RoundedLinear(hidden, shape.intermediate_size)
        self.feed_out = RoundedLinear(shape.intermediate_size, hidden)
        self.feed_norm = nn.LayerNorm(hidden, eps=shape.layer_norm_eps)

    def _attend(self, hidden: Tensor, keep: Tensor) -> Tensor:
        batch, length, width = hidden.shape
        parts = self.query_key_value(hidden).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=keep)
        return self.attention_out(mixed.transpose(1, 2).reshape(batch, length, width))

    def forward(self, hidden: Tensor, keep: Tensor) -> Tensor:
        """Return the next hidden states, [batch, length, hidden]; ``keep`` is [batch, 1, 1, length]."""
        attended = functional.dropout(self._attend(hidden, keep), self.dropout, self.training)
        hidden = self.attention_norm(hidden + attended)
        fed = self.feed_out(functional.gelu(self.feed_in(hidden)))
        return self.feed_norm(hidden + functional.dropout(fed, self.dropout, self.training))


class Classifier(nn.Module):
    """Embeddings, layers, mean over the tokens, dropout, linear head.

    The word embeddings stay as they are: rare words keep the meaning that the
    encoder gave them, and a step takes a fifth less time.

    Args:
        shape: Sizes of the encoder.
        dropout: Probability after each block while training.
    """

    def __init__(self, shape: EncoderShape, dropout: float = 0.1) -> None:
        super().__init__()
        self.shape = shape
        self.dropout = dropout
        self.words = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.words.requires_grad_(requires_grad=False)
        self.positions = nn.Embedding(shape.max_position_embeddings, shape.hidden_size)
        self.embedding_norm = nn.LayerNorm(shape.hidden_size, eps=shape.layer_norm_eps)
        self.layers = nn.ModuleList(Layer(shape, dropout) for _ in range(shape.num_hidden_layers))
        self.head = nn.Linear(shape.hidden_size, 2)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        """Return logits, [batch, 2].

        Args:
            token_ids: Integers, [batch, length].
            mask: True at real tokens, [batch, length]; each row has at least one.
        """
        hidden = self.words(token_ids) + self.positions.weight[: token_ids.shape[1]]
        hidden = functional.dropout(self.embedding_norm(hidden), self.dropout, self.training)
        keep = mask[:, None, None, :]
        for layer in self.layers:
            hidden = layer(hidden, keep)
        weights = mask.to(hidden.dtype) / mask.sum(dim=1, keepdim=True)
        pooled = torch.bmm(weights[:, None, :], hidden)[:, 0]
        return self.head(functional.dropout(pooled, self.dropout, self.training))

    def set_rounding(self, rounding: bool) -> None:  # noqa: FBT001
        """Switch the imitation of int8 on or off in every layer."""
        for module in self.modules():
            if isinstance(module, RoundedLinear):
                module.rounding = rounding

    def load_bert(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the weights of a Hugging Face ``BertModel``; the head keeps its own.

        The token types are not an input here: type 0 is added to the positions.
        """

        def into(parameter: Tensor, *names: str) -> None:
            parameter.data.copy_(torch.cat([tensors[name] for name in names]))

        into(self.words.weight, "embeddings.word_embeddings.weight")
        into(self.positions.weight, "embeddings.position_embeddings.weight")
        self.positions.weight.data += tensors["embeddings.token_type_embeddings.weight"][0]
        for kind in ("weight", "bias"):
            into(getattr(self.embedding_norm, kind), f"embeddings.LayerNorm.{kind}")
            for number, layer in enumerate(self.layers):
                there = f"encoder.layer.{number}"
                three = [f"{there}.attention.self.{part}.{kind}" for part in ("query", "key", "value")]
                into(getattr(layer.query_key_value, kind), *three)
                into(getattr(layer.attention_out, kind), f"{there}.attention.output.dense.{kind}")
                into(getattr(layer.attention_norm, kind), f"{there}.attention.output.LayerNorm.{kind}")
                into(getattr(layer.feed_in, kind), f"{there}.intermediate.dense.{kind}")
                into(getattr(layer.feed_out, kind), f"{there}.output.dense.{kind}")
                into(getattr(layer.feed_norm, kind), f"{there}.output.LayerNorm.{kind}")
