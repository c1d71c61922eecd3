"""From text to token numbers: the checkpoint's own tokenizer, bounded in time and safe for any text."""

__all__ = ("TextTokenizer", "Tokens")

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pulse_ai.core import Failure, LoadFailed

_CHARACTERS_PER_TOKEN = 20  # English has 4 to 5; at 20 a cut is all but certain to be past the model's limit


@dataclass(frozen=True, slots=True)
class Tokens:
    """One text as the model reads it.

    Attributes:
        ids: Token numbers, special tokens included; at least one.
        type_ids: Segment numbers, as many as ``ids``.
        truncated: Whether the text's end was left out.
    """

    ids: list[int]
    type_ids: list[int]
    truncated: bool


class TextTokenizer:
    """Encodes texts with a ``tokenizers.Tokenizer``, each cut to the model's limit.

    Text is cut twice: roughly by characters, so that a megabyte costs no more than a page, then exactly by
    tokens. Lone surrogates, which no tokenizer takes, become question marks.

    Args:
        tokenizer: A ``tokenizers.Tokenizer``; it is changed to truncate and not to pad.
        max_tokens: Most tokens of one text, special ones included.

    Raises:
        LoadFailed: The special tokens alone fill ``max_tokens``.
    """

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        special: int = tokenizer.num_special_tokens_to_add(is_pair=False)
        if special >= max_tokens:
            raise LoadFailed(
                f"the model reads {max_tokens} tokens and its tokenizer adds {special} to each text"
            )
        tokenizer.enable_truncation(max_length=max_tokens)
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._max_characters = max_tokens * _CHARACTERS_PER_TOKEN

    def encode(self, texts: Sequence[str]) -> list[Tokens | Failure]:
        """Return each text's tokens, in order; a ``Failure`` for one that the tokenizer refuses."""
        readable = [self._readable(text) for text in texts]
        try:
            encodings: list[Any] = self._tokenizer.encode_batch_fast(readable)
        except Exception:  # noqa: BLE001 - tokenizers raises the bare class; find out whose fault it was
            return [self._encode_one(text, whole) for text, whole in zip(readable, texts, strict=True)]
        return [
            self._tokens(encoding, cut=len(text) < len(whole))
            for encoding, text, whole in zip(encodings, readable, texts, strict=True)
        ]

    def _encode_one(self, text: str, whole: str) -> Tokens | Failure:
        try:
            return self._tokens(self._tokenizer.encode(text), cut=len(text) < len(whole))
        except Exception as error:  # noqa: BLE001 - tokenizers raises the bare class
            return Failure(f"the tokenizer refused this text: {error}")

    def _tokens(self, encoding: Any, *, cut: bool) -> Tokens | Failure:
        if not encoding.ids:
            return Failure("the tokenizer made no tokens of this text")
        return Tokens(encoding.ids, encoding.type_ids, cut or bool(encoding.overflowing))

    def _readable(self, text: str) -> str:
        cut = text[: self._max_characters]
        if cut.isascii():
            return cut
        return cut.encode("utf-8", "replace").decode("utf-8")
