"""What a search may change of a network, and what it finds out about each: the words of a genetic search.

A *candidate* has *genes*. A *population* of candidates is one *generation*; the better half of it and of the one
before are *selected* as parents (*elitism*: a parent that is better than its children stays), children take each
gene from one of two parents (*crossover*), and now and then one is drawn anew (*mutation*). A candidate is better
than another if it is at least as good in both figure and work, and better in one; those that none beats are the
*Pareto front*.
"""

__all__ = ("DROPOUTS", "LEARNING_RATES", "SHAPES", "WORST", "Evaluated", "Genes", "pareto_front")

from collections.abc import Iterable

import msgspec

SHAPES: dict[str, tuple[int, ...]] = {
    "linear": (),
    "16": (16,),
    "64": (64,),
    "64-64": (64, 64),
    "128-128": (128, 128),
    "64-64-64": (64, 64, 64),
}
"""The shapes that a network may have. Few, because each is compiled once."""

DROPOUTS = (0.0, 0.3)
"""Shares of a hidden layer that may be dropped."""

LEARNING_RATES = (3e-4, 3e-2)
"""Least and greatest first learning rate; what lies between is drawn by its logarithm."""


WORST = -1e9
"""The figure of a candidate whose training broke down."""


class Genes(msgspec.Struct, frozen=True):
    """What one candidate has for itself.

    Attributes:
        shape: A name from ``SHAPES``.
        dropout: One of ``DROPOUTS``; 0 for a linear model.
        learning_rate: Within ``LEARNING_RATES``.
    """

    shape: str
    dropout: float
    learning_rate: float

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return SHAPES[self.shape]


class Evaluated(msgspec.Struct, frozen=True):
    """A candidate that was trained.

    Attributes:
        genes: What it was.
        figure: Accuracy, or R², on rows that it has not seen; ``WORST`` where training broke down.
        work: Multiplications for one row: what its latency grows with, and the same on every machine.
    """

    genes: Genes
    figure: float
    work: int

    def beats(self, other: "Evaluated") -> bool:
        """Say whether it is as good in both, and better in one."""
        as_good = self.figure >= other.figure and self.work <= other.work
        return as_good and (self.figure > other.figure or self.work < other.work)


def pareto_front(candidates: Iterable[Evaluated]) -> tuple[Evaluated, ...]:
    """Return the candidates that none beats, the least work first; of equal ones the first.

    Example:
        >>> genes = Genes("16", 0.0, 0.01)
        >>> found = [Evaluated(genes, 0.9, 100), Evaluated(genes, 0.8, 200), Evaluated(genes, 0.95, 300)]
        >>> [one.work for one in pareto_front(found)]
        [100, 300]
    """
    front: list[Evaluated] = []
    best = WORST
    for one in sorted(candidates, key=lambda one: (one.work, -one.figure)):
        if one.figure > best:
            best = one.figure
            front.append(one)
    return tuple(front)
