"""Threefry on NumPy: the bits that JAX's default generator gives, for the evaluator.

Threefry-2x32 with 20 rounds is the counter-based generator of J. K. Salmon et al., "Parallel Random Numbers:
As Easy as 1, 2, 3" (2011). It scrambles a counter under a key; there is no state to keep.
"""

__all__ = ("bits", "fold_in", "key_of", "scramble", "split")

import numpy as np

from pulse_ai.numerics.promotion import NumpyArray

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)


def key_of(seed: int) -> NumpyArray:
    """Return the key of a seed: its high and its low 32 bits."""
    return np.array([(seed >> 32) & 0xFFFFFFFF, seed & 0xFFFFFFFF], np.uint32)


def scramble(key: NumpyArray, high: NumpyArray, low: NumpyArray) -> tuple[NumpyArray, NumpyArray]:
    """Return two scrambled words for each counter.

    Args:
        key: Two words, uint32[2].
        high: The counters' high words, uint32 of any shape.
        low: Their low words, of the same shape.
    """
    schedule = (key[0], key[1], key[0] ^ key[1] ^ _PARITY)
    one, two = high + schedule[0], low + schedule[1]
    for group in range(5):
        for turn in _ROTATIONS[group % 2]:
            one = one + two
            two = ((two << np.uint32(turn)) | (two >> np.uint32(32 - turn))) ^ one
        one = one + schedule[(group + 1) % 3]
        two = two + schedule[(group + 2) % 3] + np.uint32(group + 1)
    return one, two


def _counters(shape: tuple[int, ...]) -> tuple[NumpyArray, NumpyArray]:
    numbers = np.arange(int(np.prod(shape)), dtype=np.uint64).reshape(shape)
    return np.asarray(numbers >> np.uint64(32), np.uint32), np.asarray(numbers, np.uint32)


def split(key: NumpyArray, count: int) -> NumpyArray:
    """Return that many new keys, uint32[count,2]."""
    return np.stack(scramble(key, *_counters((count,))), axis=1)


def fold_in(key: NumpyArray, number: int) -> NumpyArray:
    """Return the key that belongs to a number under a key."""
    high, low = key_of(number & 0xFFFFFFFF)[:, None]
    return np.concatenate(scramble(key, high, low))


def bits(key: NumpyArray, shape: tuple[int, ...]) -> NumpyArray:
    """Return 32 random bits for each element, uint32."""
    with np.errstate(over="ignore"):
        one, two = scramble(key, *_counters(shape))
    return np.asarray(one ^ two)
