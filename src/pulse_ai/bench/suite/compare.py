"""Whether one set of timings is faster than another, by how much, and how sure that is.

Theory. Samples of one round are not independent: a round shares a state of the machine, and slow spells last
longer than a call. A bootstrap that draws samples freely would give intervals that are far too narrow. So it
draws rounds first and samples within them second. Scenarios that were measured in turn share their rounds,
and then the same rounds are drawn for both, which cancels what the machine did to both; runs that were saved
at different times have nothing in common and are drawn apart. The statistic is the ratio of medians, because
one interrupted call must not decide who is faster.

Draws of two to four rounds hardly reach beyond those rounds, and the interval would leave out the truth up to
every second time. It is widened, as Student's t is against the normal distribution, so that so few rounds tell
only what is plain.
"""

__all__ = ("Comparison", "Rounds", "compare")

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rounds = Sequence[Sequence[float]]
"""Samples in seconds by the round in which they were taken."""

_DRAWS = 1000
_SAMPLES_OF_A_ROUND = 64  # drawn of each round: its median is known well enough by then
_SURE = 0.95
_WIDER = {2: 12.7, 3: 3.0, 4: 2.0}  # times, by the number of rounds; from five on the draws are wide enough
_TOO_SMALL = 0.01  # a difference below this may be sure, but nobody should act on it


class Comparison(msgspec.Struct, frozen=True):
    """How a scenario compares with another.

    Attributes:
        name: What is compared.
        with_name: With what.
        ratio: Time of the first over time of the second, by medians: 2.0 means twice as slow.
        low: Where the 95 % interval of the ratio begins.
        high: Where it ends.
        difference_s: Median of the first less median of the second, in seconds.
    """

    name: str
    with_name: str
    ratio: float
    low: float
    high: float
    difference_s: float

    @property
    def significant(self) -> bool:
        """Whether the interval leaves out 1: no difference at all is not among the likely ratios."""
        return not self.low <= 1.0 <= self.high

    def verdict(self) -> str:
        """Return the comparison in words.

        Example:
            >>> Comparison("b", "a", 2.15, 2.08, 2.22, 0.001).verdict()
            '2.15x slower, 95 % interval 2.08 to 2.22'
            >>> Comparison("b", "a", 0.5, 0.48, 0.52, -0.001).verdict()
            '2.00x faster, 95 % interval 1.92 to 2.08'
            >>> Comparison("b", "a", 1.01, 0.97, 1.04, 0.0).verdict()
            'no difference that can be told: 1.01x, 95 % interval 0.97 to 1.04'
        """
        if not self.significant:
            return f"no difference that can be told: {_interval(self.ratio, self.low, self.high, '')}"
        if abs(self.ratio - 1.0) < _TOO_SMALL:
            return f"no difference that matters: {_interval(self.ratio, self.low, self.high, '')}"
        if self.ratio >= 1.0:
            return _interval(self.ratio, self.low, self.high, " slower")
        return _interval(1.0 / self.ratio, 1.0 / self.high, 1.0 / self.low, " faster")

    def regressed(self, gate: float) -> bool:
        """Tell whether the first is slower by more than a share (0.05 is 5 %), and surely slower at all."""
        return self.significant and self.ratio > 1.0 + gate


def _interval(ratio: float, low: float, high: float, word: str) -> str:
    return f"{ratio:.2f}x{word}, 95 % interval {low:.2f} to {high:.2f}"


def compare(
    first: Rounds, second: Rounds, *, names: tuple[str, str], paired: bool, seed: int = 0
) -> Comparison:
    """Return how the first samples compare with the second.

    Args:
        first: Samples by round; at least two rounds, none of them empty.
        second: The same of what it is compared with.
        names: Names of the two.
        paired: Whether both were measured in turn, so that their rounds belong together; they are then
            equally many.
        seed: Seed of the draws; the same seed gives the same interval.

    Raises:
        ValueError: There are too few rounds to say anything, or paired rounds differ in number.

    Example:
        >>> twice = compare([[2.0, 2.1], [2.0, 1.9]], [[1.0, 1.0], [1.0, 1.0]], names=("b", "a"), paired=True)
        >>> twice.ratio, twice.significant
        (2.0, True)
    """
    if min(len(first), len(second)) < 2:
        raise ValueError("a comparison needs at least two rounds of each")
    if paired and len(first) != len(second):
        raise ValueError(f"paired rounds must be equally many, got {len(first)} and {len(second)}")
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(first), (_DRAWS, len(first)))
    others = picks if paired else rng.integers(0, len(second), (_DRAWS, len(second)))
    ratios = _medians(first, picks, rng) / _medians(second, others, rng)
    low, high = np.quantile(ratios, ((1 - _SURE) / 2, (1 + _SURE) / 2)).tolist()
    mine, theirs = _median(first), _median(second)
    ratio, wider = mine / theirs, _WIDER.get(min(len(first), len(second)), 1.0)
    low, high = (ratio * (end / ratio) ** wider for end in (low, high))
    return Comparison(*names, ratio, low, high, mine - theirs)


def _medians(rounds: Rounds, picks: npt.NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Return the median of each draw: ``picks`` holds, for each, the rounds that it takes, with repeats."""
    columns = np.stack(
        [rng.choice(np.asarray(r, np.float64), (picks.shape[0], _SAMPLES_OF_A_ROUND)) for r in rounds]
    )
    draws = np.arange(picks.shape[0], dtype=np.int64)
    taken = [columns[picks[:, place], draws] for place in range(picks.shape[1])]
    return np.median(np.concatenate(taken, axis=1), axis=1)


def _median(rounds: Rounds) -> float:
    return float(np.median(np.concatenate([np.asarray(r, np.float64) for r in rounds])))
