"""Checkpoints with random weights, of any size: for benchmarks and tests, no download needed."""

__all__ = ("RandomShape", "make_random_checkpoint")

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from pulse_ai.hub.convert.families import FAMILIES, Family

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomShape:
    """Sizes of a random classifier; the defaults are DistilBERT's.

    Attributes:
        family: ``bert``, ``distilbert`` or ``roberta``.
        hidden: Width of a token's vector; a multiple of ``heads``.
        layers: How many layers.
        heads: Attention heads in a layer.
        vocab: Tokens known, at least 5, which are special ones.
        positions: Most tokens of one text.
        labels: How many labels.
        seed: The same seed gives the same weights.
        spread: Standard deviation of the weights; 0.02 as in a fresh BERT.
    """

    family: Literal["bert", "distilbert", "roberta"] = "distilbert"
    hidden: int = 768
    layers: int = 6
    heads: int = 12
    vocab: int = 30522
    positions: int = 512
    labels: int = 2
    seed: int = 0
    spread: float = 0.02


class RandomOptions(TypedDict, total=False):
    """The keyword arguments of ``make_random_checkpoint``; their meanings are in ``RandomShape``."""

    family: Literal["bert", "distilbert", "roberta"]
    hidden: int
    layers: int
    heads: int
    vocab: int
    positions: int
    labels: int
    seed: int
    spread: float


def make_random_checkpoint(folder: Path, **options: Unpack[RandomOptions]) -> Path:
    """Write ``config.json``, ``tokenizer.json`` and ``model.safetensors`` with random weights.

    The tokenizer splits at spaces and knows the words ``w5``, ``w6``, ... up to the vocabulary's end.

    Args:
        folder: Where to write; made if it does not exist.
        **options: Sizes, as ``RandomShape`` explains them.

    Returns:
        The folder.

    Example:
        >>> from tempfile import mkdtemp
        >>> made = make_random_checkpoint(Path(mkdtemp()), hidden=8, heads=2, layers=1, vocab=10)
        >>> sorted(path.name for path in made.iterdir())
        ['config.json', 'model.safetensors', 'tokenizer.json']
    """
    import safetensors.numpy

    library: Any = safetensors.numpy
    shape = RandomShape(**options)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(_config(shape), indent=2))
    _tokenizer(shape).save(str(folder / "tokenizer.json"))
    library.save_file(_weights(shape), str(folder / "model.safetensors"))
    return folder


def _config(shape: RandomShape) -> dict[str, Any]:
    keys: Mapping[str, str] = FAMILIES[shape.family].keys or {}
    sizes = {
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "hidden_act": "gelu",
    }
    return {
        "model_type": shape.family,
        "vocab_size": shape.vocab,
        "max_position_embeddings": shape.positions + _offset(shape),
        "pad_token_id": 0,
        "layer_norm_eps": 1e-12,
        "id2label": {str(number): f"LABEL_{number}" for number in range(shape.labels)},
        **{keys.get(name, name): value for name, value in sizes.items()},
    }


def _offset(shape: RandomShape) -> int:
    return 1 if FAMILIES[shape.family].offset_positions else 0


def _tokenizer(shape: RandomShape) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = [*_SPECIAL, *(f"w{number}" for number in range(len(_SPECIAL), shape.vocab))]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer: Any = Tokenizer(models.WordLevel(vocabulary, unk_token=_SPECIAL[1]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    return tokenizer


def _weights(shape: RandomShape) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(shape.seed)
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, size in _sizes(FAMILIES[shape.family], shape):
        middle = 1.0 if name.endswith(("LayerNorm.weight", "layer_norm.weight")) else 0.0
        tensors[name] = random.normal(middle, shape.spread, size).astype(np.float32)
    return tensors


def _sizes(family: Family, shape: RandomShape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield each parameter's name and shape."""
    width, embeddings = shape.hidden, f"{family.prefix}embeddings."
    yield f"{embeddings}word_embeddings.weight", (shape.vocab, width)
    yield f"{embeddings}position_embeddings.weight", (shape.positions + _offset(shape), width)
    if shape.family != "distilbert":
        yield f"{embeddings}token_type_embeddings.weight", (2 if shape.family == "bert" else 1, width)
    yield from _norm(f"{embeddings}LayerNorm", width)
    for number in range(shape.layers):
        yield from _layer_sizes(family, family.prefix + family.layer.format(i=number), width)
    yield from _dense(family.dense, width, width)
    yield from _dense(family.classifier, shape.labels, width)


def _layer_sizes(family: Family, at: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for part in (family.query, family.key, family.value, family.attended):
        yield from _dense(at + part, width, width)
    yield from _norm(at + family.attended_norm, width)
    yield from _dense(at + family.inner, 4 * width, width)
    yield from _dense(at + family.outer, width, 4 * width)
    yield from _norm(at + family.outer_norm, width)


def _dense(name: str, outputs: int, inputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _norm(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)
