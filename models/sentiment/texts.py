"""The Stanford Sentiment Treebank as examples: read, hold out, and write as people do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from random import Random

__all__ = ("Example", "detokenise", "hold_out", "join_some", "read_examples", "vary")

NEGATIVE, POSITIVE = 0, 1
MAX_GRAM_WORDS = 60
EMOJI = "😀😂😍👍👎🔥🎉😡😭🙄💩❤️✨🤔😴🍿🎬⭐"


@dataclass(frozen=True, slots=True)
class Example:
    """One text with the probability that it is positive, which is 0 or 1 for a labelled one."""

    text: str
    positive: float


def read_examples(path: Path) -> list[Example]:
    """Return the examples of a file of ``text TAB label`` lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.rsplit("\t", 1) for line in lines if line.strip())
    return [Example(text.strip(), float(label)) for text, label in pairs]


def hold_out(
    phrases: list[Example], sentences: list[Example], count: int, random: Random
) -> tuple[list[Example], list[Example], list[Example]]:
    """Split off ``count`` sentences and every phrase that only they contain.

    Returns:
        The phrases and sentences that stay, then the sentences held out.
    """
    shuffled = random.sample(sentences, len(sentences))
    held, kept = shuffled[:count], shuffled[count:]
    held_grams = {gram for example in held for gram in _grams(example.text)}
    shared = {gram for example in kept for gram in _grams(example.text) if gram in held_grams}
    hidden = held_grams - shared
    stay = [phrase for phrase in phrases if " ".join(_words(phrase.text)) not in hidden]
    return stay, kept, held


def _words(text: str) -> list[str]:
    return re.sub(r"[^\w\s]|_", " ", text).split()


def _grams(text: str) -> Iterator[str]:
    words = _words(text)
    for start in range(len(words)):
        for stop in range(start + 1, min(len(words), start + MAX_GRAM_WORDS) + 1):
            yield " ".join(words[start:stop])


_JOINS = (
    (re.compile(r" n't\b"), "n't"),
    (re.compile(r" '(s|re|ve|ll|d|m|em)\b"), r"'\1"),
    (re.compile(r"\b(gon|wan|got) (na|ta)\b"), r"\1\2"),
    (re.compile(r"\bcan not\b"), "cannot"),
    (re.compile(r"-lrb- ?|\blrb "), "("),
    (re.compile(r" ?-rrb-| rrb\b"), ")"),
    (re.compile(r"``\s*|\s*''"), '"'),
    (re.compile(r"(^| )` "), r"\1'"),
    (re.compile(r" '(?= |$)"), "'"),
    (re.compile(r"\( "), "("),
    (re.compile(r" ([,.;:!?)]|\.\.\.)"), r"\1"),
)


def detokenise(text: str) -> str:
    """Return the text as a person would type it.

    Example:
        >>> detokenise("you wo n't like it , but it 's short .")
        "You won't like it, but it's short."
    """
    for pattern, replacement in _JOINS:
        text = pattern.sub(replacement, text)
    return text[:1].upper() + text[1:]


def vary(text: str, random: Random) -> str:
    """Return the text as it is, or as typed, with or without its last mark, or with an emoji."""
    draw = random.random()
    if draw < 0.15:
        text = text.rstrip(" .")
    elif draw < 0.55:
        text = detokenise(text)
        if text[-1:].isalnum() and random.random() < 0.4:
            text += random.choice((".", ".", "!", "!!", "..."))
    elif draw < 0.60:
        text = text.replace("-", " ")
    if random.random() < 0.03:
        text = f"{text} {random.choice(EMOJI)}" if random.random() < 0.7 else f"{random.choice(EMOJI)} {text}"
    return text or "."


def join_some(sentences: list[Example], count: int, random: Random) -> Iterable[Example]:
    """Yield ``count`` texts of two to eight sentences; the target is the share of positive ones.

    Reviews are longer than the treebank's single sentences. Four in five of
    the texts are of one mind.
    """
    by_label = {label: [s for s in sentences if s.positive == label] for label in (NEGATIVE, POSITIVE)}
    for _ in range(count):
        pool = by_label[random.choice((NEGATIVE, POSITIVE))] if random.random() < 0.8 else sentences
        parts = random.sample(pool, min(8, 2 + int(random.expovariate(0.8))))
        text = " ".join(detokenise(part.text).rstrip(".") + "." for part in parts)
        yield Example(text, sum(part.positive for part in parts) / len(parts))
