"""Rows into parts: plain, stratified, grouped or by time; the same seed gives the same parts.

The decision is a function from a column to a part for each row (``assign_*``); the frames are cut by it.
"""

__all__ = ("Fold", "folds", "split")

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pulse_ai.frame.errors import SplitError

if TYPE_CHECKING:
    import polars as pl

Parts = NDArray[np.int64]


class Fold(NamedTuple):
    """One way to hold rows out: train on the one, judge on the other."""

    training: "pl.DataFrame"
    held_out: "pl.DataFrame"


def split(
    frame: "pl.DataFrame",
    shares: Sequence[float] = (0.8, 0.2),
    *,
    seed: int = 0,
    stratify: str | None = None,
    group: str | None = None,
    time: str | None = None,
) -> tuple["pl.DataFrame", ...]:
    """Cut a frame into parts; every row is in exactly one, and keeps its order.

    Args:
        frame: The rows.
        shares: Share of the rows of each part; above 0, together 1. Sizes are right to a row, or to a group.
        seed: Of the shuffle.
        stratify: A column whose values each part has in the same shares, nulls as one value.
        group: A column whose values are never cut apart (a patient's visits, a shop's days).
        time: A column to cut by instead of at random: the first part has the earliest rows. Equal instants stay
            together.

    Raises:
        SplitError: More than one way is asked for, a column is not there, or a part would be empty.

    Example:
        >>> import polars as pl
        >>> frame = pl.DataFrame({"x": range(10), "label": ["a"] * 5 + ["b"] * 5})
        >>> training, held_out = split(frame, stratify="label")
        >>> held_out["label"].to_list()
        ['a', 'b']
    """
    wanted = np.array(shares, float)
    if len(wanted) < 2 or (wanted <= 0).any() or abs(wanted.sum() - 1) > 1e-9:
        raise SplitError(f"shares must be at least two numbers above 0 that sum to 1, got {tuple(shares)}")
    parts = _assign(frame, wanted, seed, stratify=stratify, group=group, time=time)
    return tuple(frame[np.flatnonzero(parts == part)] for part in range(len(wanted)))


def folds(
    frame: "pl.DataFrame",
    count: int = 5,
    *,
    seed: int = 0,
    stratify: str | None = None,
    group: str | None = None,
    time: str | None = None,
) -> list[Fold]:
    """Hold out each row once, in ``count`` folds.

    By time there are ``count`` folds too, but training is only ever what came before what is held out, so the
    earliest rows are never held out.

    Args:
        frame: The rows.
        count: How many folds, at least 2.
        seed: See ``split``.
        stratify: See ``split``.
        group: See ``split``.
        time: See ``split``.

    Raises:
        SplitError: See ``split``.
    """
    if count < 2:
        raise SplitError(f"count must be at least 2, got {count}")
    pieces = count + (time is not None)
    parts = _assign(frame, np.full(pieces, 1 / pieces), seed, stratify=stratify, group=group, time=time)
    if time is None:
        chosen = [(parts != part, parts == part) for part in range(pieces)]
    else:
        chosen = [(parts < part, parts == part) for part in range(1, pieces)]
    return [Fold(frame[np.flatnonzero(rest)], frame[np.flatnonzero(held)]) for rest, held in chosen]


def _assign(
    frame: "pl.DataFrame",
    shares: NDArray[np.float64],
    seed: int,
    *,
    stratify: str | None,
    group: str | None,
    time: str | None,
) -> Parts:
    """Return the part of each row."""
    names = [name for name in (stratify, group, time) if name is not None]
    if len(names) > 1:
        raise SplitError(f"choose one of stratify, group and time, got {', '.join(map(repr, names))}")
    if names and names[0] not in frame.columns:
        there = ", ".join(map(repr, frame.columns[:20]))
        raise SplitError(f"there is no column {names[0]!r}; there are {there}")
    random = np.random.default_rng(seed)
    if time is not None:
        parts = _assign_by_time(frame[time], shares)
    elif group is not None:
        parts = _assign_groups(_codes(frame[group]), shares, random)
    else:
        codes = np.zeros(frame.height, np.int64) if stratify is None else _codes(frame[stratify])
        parts = _assign_stratified(codes, shares, random)
    sizes = np.bincount(parts, minlength=len(shares))
    if (sizes == 0).any():
        what = f"{len(np.unique(_codes(frame[names[0]])))} values of {names[0]!r}" if names else "rows"
        raise SplitError(
            f"{frame.height} rows ({what}) cannot be cut into {len(shares)} parts that all have some: "
            f"sizes would be {sizes.tolist()}"
        )
    return parts


def _codes(column: "pl.Series") -> NDArray[np.int64]:
    """Number the values of a column in the order they come up, null as one of them."""
    return column.rank("dense").fill_null(0).to_numpy().astype(np.int64)


def _assign_stratified(codes: Parts, shares: NDArray[np.float64], random: np.random.Generator) -> Parts:
    """Give each class's rows to the parts by their shares.

    What a class cannot give in whole rows goes to the parts that are furthest behind over all classes so far,
    so the totals are right to a row too.
    """
    parts = np.empty(len(codes), np.int64)
    behind = np.zeros(len(shares))
    order = random.permutation(len(codes))
    for code in np.unique(codes):
        rows = order[codes[order] == code]
        due = shares * len(rows) + behind
        counts = np.maximum(np.floor(shares * len(rows)), 0).astype(np.int64)
        late = np.argsort(counts - due, kind="stable")[: len(rows) - counts.sum()]
        counts[late] += 1
        behind = due - counts
        parts[rows] = np.repeat(np.arange(len(shares)), counts)
    return parts


def _assign_groups(codes: Parts, shares: NDArray[np.float64], random: np.random.Generator) -> Parts:
    """Give whole groups, the largest first, to the part that is furthest from its share.

    The last ones go to the parts that have none yet.
    """
    groups, sizes = np.unique(codes, return_counts=True)
    shuffled = random.permutation(len(groups))
    part_of = np.empty(len(groups), np.int64)
    missing, empty = shares * len(codes), np.ones(len(shares), bool)
    for placed, place in enumerate(shuffled[np.argsort(-sizes[shuffled], kind="stable")]):
        free = empty if len(groups) - placed <= empty.sum() else np.ones_like(empty)
        part = int(np.argmax(np.where(free, missing, -np.inf)))
        part_of[place] = part
        missing[part] -= sizes[place]
        empty[part] = False
    return part_of[np.searchsorted(groups, codes)]


def _assign_by_time(column: "pl.Series", shares: NDArray[np.float64]) -> Parts:
    if column.null_count():
        raise SplitError(
            f"column {column.name!r} has {column.null_count()} nulls; rows without a time cannot be cut"
        )
    ranks = column.rank("max").to_numpy()  # equal instants share the last one's rank, and so a part
    edges: NDArray[np.float64] = np.round(np.cumsum(shares)[:-1] * len(column))
    parts: Parts = np.searchsorted(edges, ranks, side="left").astype(np.int64)
    return parts
