"""A tokenizer and an engine together: texts in, raw scores out, with little padding."""

__all__ = ("Scored", "TextModel")

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pulse_ai.core import Failure
from pulse_ai.hub.engine import Engine
from pulse_ai.hub.grouping import Group, plan_groups
from pulse_ai.hub.tokenizing import TextTokenizer, Tokens


class Scored(NamedTuple):
    """One text's raw scores.

    Attributes:
        logits: One finite number for each label.
        truncated: Whether the text's end was left out.
    """

    logits: NDArray[np.float32]
    truncated: bool


class TextModel:
    """Runs texts through the engine in groups of like length, and counts tokens and padding.

    Args:
        tokenizer: Turns text into tokens.
        engine: Turns tokens into logits.
        pad_id: The token that fills short rows; the attention mask hides it.
    """

    def __init__(self, tokenizer: TextTokenizer, engine: Engine, pad_id: int) -> None:
        self.engine = engine
        self._tokenizer = tokenizer
        self._pad_id = pad_id
        self._tokens = 0
        self._padding_tokens = 0

    def score(self, texts: Sequence[str]) -> list[Scored | Failure]:
        """Return each text's logits, in order; a ``Failure`` for a text that has none."""
        encoded = self._tokenizer.encode(texts)
        answers: list[Scored | Failure] = [
            item if isinstance(item, Failure) else Failure("the text was not scored") for item in encoded
        ]
        readable = [(place, item) for place, item in enumerate(encoded) if isinstance(item, Tokens)]
        for group in plan_groups([len(tokens.ids) for _, tokens in readable]):
            rows = [readable[member] for member in group.members]
            logits = self._logits([tokens for _, tokens in rows], group)
            for (place, tokens), row in zip(rows, logits, strict=True):
                answers[place] = _scored(row, truncated=tokens.truncated)
        return answers

    def take_counts(self) -> dict[str, int]:
        """Return tokens and padding tokens since the last call."""
        counts = {"tokens": self._tokens, "padding_tokens": self._padding_tokens}
        self._tokens = self._padding_tokens = 0
        return counts

    def _logits(self, rows: Sequence[Tokens], group: Group) -> NDArray[np.float32]:
        used = sum(len(row.ids) for row in rows)
        self._tokens += used
        self._padding_tokens += len(rows) * group.length - used
        return self.engine.logits(_feeds(rows, group.length, self._pad_id))


def _feeds(rows: Sequence[Tokens], length: int, pad_id: int) -> dict[str, NDArray[np.int64]]:
    """Return the rows as arrays of shape (rows, length), padded at the end."""
    shape = (len(rows), length)
    ids, mask = np.full(shape, pad_id, np.int64), np.zeros(shape, np.int64)
    type_ids = np.zeros(shape, np.int64)
    for number, row in enumerate(rows):
        size = len(row.ids)
        ids[number, :size] = row.ids
        type_ids[number, :size] = row.type_ids
        mask[number, :size] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": type_ids}


def _scored(row: NDArray[np.float32], *, truncated: bool) -> Scored | Failure:
    if not np.isfinite(row).all():
        return Failure("the model gave no finite score for this text")
    return Scored(row, truncated)
