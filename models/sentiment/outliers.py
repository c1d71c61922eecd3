"""Texts about which a sentiment model has no reason to be sure.

Training shows them with the target one half (outlier exposure, Hendrycks et
al. 2019). Lists written by hand lie in ``lists/``; the rest is drawn anew in
each epoch. The lists in ``tests/hub/data`` are for measuring and share no line
with these.
"""

from __future__ import annotations

import string
from pathlib import Path
from typing import TYPE_CHECKING

from .texts import Example, vary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

__all__ = ("OutlierSource",)

LISTS = Path(__file__).parent / "lists"
UNSURE = 0.5
MAX_WORDS_LONG = 150

SCRIPTS = (
    (0x0430, 0x044F), (0x0391, 0x03C9), (0x05D0, 0x05EA), (0x0621, 0x064A), (0x0905, 0x0939),
    (0x0985, 0x09B9), (0x0B85, 0x0BB9), (0x0E01, 0x0E2E), (0x10D0, 0x10F0), (0x0531, 0x0556),
    (0x3041, 0x3093), (0x30A1, 0x30F6), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0x1200, 0x1248),
    (0x00C0, 0x017F),
)  # fmt: skip
PICTURES = ((0x1F300, 0x1F5FF), (0x1F600, 0x1F64F), (0x1F680, 0x1F6C5), (0x2600, 0x26FF), (0x1F900, 0x1F9FF))
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "asdf", "jkl;", "lol", "ha", "la", "na", "x", "z")

ENDS = (
    "",
    "",
    ".",
    " today",
    " at noon",
    " in march",
    " every week",
    " since 2014",
    " by train",
    " with a pen",
    "?",
)


def _read_list(name: str) -> list[str]:
    path = LISTS / name
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


class OutlierSource:
    """Draws outliers of all kinds.

    Args:
        word_pieces: The tokenizer's vocabulary, from which senseless sequences are drawn.
        random: Source of every choice.
    """

    def __init__(self, word_pieces: list[str], random: Random) -> None:
        self._pieces = [piece for piece in word_pieces if not piece.startswith("[")]
        self._random = random
        self._neutral = _read_list("neutral.txt")
        self._people, self._acts, self._things = (
            _read_list(f"statement_{part}.txt") for part in ("people", "acts", "things")
        )
        self._foreign = _read_list("languages.txt")
        self._foreign_words = [word for line in self._foreign for word in line.split()]

    def draw(self, count: int) -> Iterator[Example]:
        """Yield ``count`` outliers: the lists first, as far as they reach, then drawn ones."""
        written = [vary(line, self._random) for line in self._neutral] + self._foreign + ["", "", "", ""]
        kinds: list[tuple[Callable[[], str], int]] = [
            (self._letters, 3), (self._mash, 2), (self._sequence, 5), (self._numbers, 4),
            (self._marks, 2), (self._emoji, 2), (self._script, 4), (self._foreign_mix, 6),
            (self._statement, 6), (self._mixture, 2),
        ]  # fmt: skip
        makers = [maker for maker, weight in kinds for _ in range(weight)]
        drawn = (self._random.choice(makers)() for _ in range(max(0, count - len(written))))
        for text in (*written, *drawn):
            yield Example(text, UNSURE)

    def _times(self, low: int, high: int) -> range:
        if self._random.random() < 0.01:
            high = MAX_WORDS_LONG
        return range(self._random.randint(low, high))

    def _word(self, letters: str, high: int = 9) -> str:
        return "".join(self._random.choices(letters, k=self._random.randint(1, high)))

    def _letters(self) -> str:
        return " ".join(self._word(string.ascii_letters) for _ in self._times(1, 8))

    def _mash(self) -> str:
        row = self._random.choice(ROWS)
        if self._random.random() < 0.5:
            return row[self._random.randrange(len(row)) :] * self._random.randint(1, 12)
        return " ".join(self._word(row, 12) for _ in self._times(1, 6))

    def _sequence(self) -> str:
        join = "" if self._random.random() < 0.2 else " "
        return join.join(self._random.choice(self._pieces).removeprefix("##") for _ in self._times(1, 20))

    def _numbers(self) -> str:
        draw, letters = self._random.randrange, string.ascii_lowercase
        forms: tuple[Callable[[], str], ...] = (
            lambda: str(draw(10 ** draw(1, 12))),
            lambda: f"{draw(100)}.{draw(1000)}",
            lambda: f"{draw(24)}:{draw(60):02}",
            lambda: f"{draw(1, 29)}/{draw(1, 13)}/{draw(1900, 2030)}",
            lambda: f"${draw(2000)}",
            lambda: f"{draw(101)}%",
            lambda: f"{draw(10)}x{draw(10)}={draw(100)}",
            lambda: f"+{draw(99)} {draw(10**9)}",
            lambda: f"{draw(16**8):08x}",
            lambda: f"http://{self._word(letters)}.com/{draw(999)}",
            lambda: f"v{draw(9)}.{draw(20)}.{draw(9)}",
            lambda: f"{self._word(letters)}@{self._word(letters)}.org",
        )
        return " ".join(self._random.choice(forms)() for _ in self._times(1, 6))

    def _marks(self) -> str:
        one_mark = self._random.random() < 0.4
        marks = self._random.choice(string.punctuation) if one_mark else string.punctuation
        return self._random.choice(("", " ")).join(self._random.choice(marks) for _ in self._times(1, 12))

    def _from_ranges(self, ranges: tuple[tuple[int, int], ...], high: int) -> str:
        low, top = self._random.choice(ranges)
        return "".join(chr(self._random.randint(low, top)) for _ in range(self._random.randint(1, high)))

    def _emoji(self) -> str:
        return self._random.choice(("", " ")).join(self._from_ranges(PICTURES, 3) for _ in self._times(1, 8))

    def _script(self) -> str:
        one = (self._random.choice(SCRIPTS),)
        return " ".join(self._from_ranges(one, 8) for _ in self._times(1, 9))

    def _foreign_mix(self) -> str:
        if self._random.random() < 0.5:
            words = self._random.choice(self._foreign).split()
            cut = self._random.randrange(len(words))
            return " ".join(words[cut:] + words[: self._random.randint(0, cut)])
        return " ".join(self._random.choice(self._foreign_words) for _ in self._times(2, 12))

    def _statement(self) -> str:
        choose = self._random.choice
        text = f"{choose(self._people)} {choose(self._acts)} {choose(self._things)}{choose(ENDS)}"
        return text.capitalize() if self._random.random() < 0.5 else text

    def _mixture(self) -> str:
        makers = (self._letters, self._numbers, self._marks, self._emoji, self._statement)
        return " ".join(maker() for maker in self._random.sample(makers, 2))
