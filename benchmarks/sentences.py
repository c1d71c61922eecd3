"""Sentences to send: as long as those of SST-2, of words that a model's tokenizer knows as one piece each.

What a classifier costs depends on how long its texts are and not on what they say, so the sentences are drawn
from a list of words, at the lengths of real ones. No data has to be fetched for it.
"""

import random
from collections.abc import Sequence

# Word pieces of SST-2's 872 dev sentences under BERT's uncased vocabulary, special tokens left out, at each
# twentieth of the distribution, shortest to longest; their mean is 21.6.
LENGTHS = (1, 7, 9, 11, 12, 14, 15, 17, 18, 19, 21, 22, 24, 25, 26, 28, 31, 33, 36, 39, 51)
_COMMON = (
    "a the of and in is it that film movie with as its for an but on this you be story so than by one has are "
    "what more about from at not all have like his up most into good who even just too work time characters "
    "little comedy way no make much life love best funny heart never bad well plot drama new man real "
    "enough great better world without feels action still humor old audience dull long young fun fresh"
)
ENGLISH = tuple(_COMMON.split())


def make_sentences(count: int, words: Sequence[str] = ENGLISH, *, seed: int = 0) -> list[str]:
    """Return sentences whose lengths are spread as SST-2's are.

    Args:
        count: How many, at least 1.
        words: What they are made of; each one token of the model that will read them.
        seed: The same seed gives the same sentences.

    Example:
        >>> lengths = [len(sentence.split()) for sentence in make_sentences(200)]
        >>> min(lengths), max(lengths), round(sum(lengths) / len(lengths))
        (1, 50, 22)
    """
    chance = random.Random(seed)  # noqa: S311 - words for a load test
    lengths = [_length((place + 0.5) / count) for place in range(count)]
    chance.shuffle(lengths)
    return [" ".join(chance.choices(words, k=length)) for length in lengths]


def random_words(vocabulary: int = 30_522) -> tuple[str, ...]:
    """Return the words that the tokenizer of a random checkpoint knows.

    Example:
        >>> random_words(8)
        ('w5', 'w6', 'w7')
    """
    return tuple(f"w{number}" for number in range(5, vocabulary))


def _length(share: float) -> int:
    """Return the length below which so large a share of the sentences lies, between the twentieths on a line."""
    place = share * (len(LENGTHS) - 1)
    below = min(int(place), len(LENGTHS) - 2)
    return round(LENGTHS[below] + (place - below) * (LENGTHS[below + 1] - LENGTHS[below]))
