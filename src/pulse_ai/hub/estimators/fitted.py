"""What a fitted scikit-learn estimator says of its columns.

An estimator knows how many columns it was fitted on, and their names where it was fitted on a data frame, but not
what is in them. That is read off the first thing that looks at each column: an encoder has the categories it saw,
an imputer what it fills in, a vectoriser takes text, and every other estimator of scikit-learn takes numbers. Code
of somebody else's may take anything. So a kind is known or unknown, never guessed: of an unknown one the
values decide, row by row.
"""

__all__ = ("columns_of", "needs_frame", "structure_of", "takes_text")

import math
from collections.abc import Iterator, Sequence
from typing import Any, cast

from pulse_ai.hub.estimators.columns import Column, Columns, Kind

# What a search or a wrapper fitted, and what gradient boosting gives frames with categories to.
_WRAPPED = ("best_estimator_", "estimator_", "regressor_", "_preprocessor")
_NOT_ONLY_NUMBERS = ("categories_", "transformers_", "build_analyzer", "func", "is_categorical_")
_MOST_PARTS = 10_000  # estimators inside an estimator that are looked at; a forest has one for each tree


def columns_of(estimator: Any) -> Columns | None:
    """Return the columns that an estimator was fitted on, or None where it was not fitted on columns.

    Example:
        >>> import numpy as np
        >>> from sklearn.linear_model import LinearRegression
        >>> columns_of(LinearRegression().fit(np.eye(2), [0, 1])).all[1].kind
        'number'
    """
    count = getattr(estimator, "n_features_in_", None)
    if count is None:
        return None
    names = _names(estimator)
    first = _first(estimator)
    if not hasattr(first, "transformers_"):
        return Columns([_column(names[number], first, number) for number in range(count)])
    found: dict[int, Column] = {}
    for _, part, chosen in first.transformers_:
        for place, number in enumerate(_numbers(chosen, names)):
            column = _column(names[number], part, place)
            if number not in found or not found[number].used:
                found[number] = column
    return Columns([found.get(number, Column(names[number], used=False)) for number in range(count)])


def takes_text(estimator: Any) -> bool:
    """Say whether an estimator that was not fitted on columns takes texts."""
    return hasattr(_first(estimator), "build_analyzer")


def needs_frame(estimator: Any) -> bool:
    """Say whether an estimator may look up columns by their names, so that it must be given a data frame."""
    return hasattr(estimator, "feature_names_in_") and not _takes_only_numbers(estimator)


def structure_of(estimator: Any) -> str:
    """Return the estimator's class, with its steps where it is a pipeline."""
    steps = getattr(estimator, "steps", None)
    name = type(estimator).__name__
    return f"{name}({', '.join(structure_of(step) for _, step in steps)})" if steps else name


def _names(estimator: Any) -> Sequence[str | None]:
    names = getattr(estimator, "feature_names_in_", None)
    return [None] * estimator.n_features_in_ if names is None else [str(name) for name in names]


def _first(estimator: Any) -> Any:
    """Return what looks at the columns first."""
    while True:
        found = (getattr(estimator, name, None) for name in _WRAPPED)
        inner = next((part for part in found if part is not None), None)
        steps = getattr(estimator, "steps", None)
        if inner is None and not steps:
            return estimator
        estimator = steps[0][1] if inner is None and steps else inner


def _column(name: str | None, part: Any, place: int) -> Column:
    if isinstance(part, str):
        return Column(name, used=part != "drop")
    kind, missing = _kind(_first(part), place)
    return Column(name, kind, missing=missing)


def _kind(part: Any, place: int) -> tuple[Kind | None, float | None]:
    """Return what a column holds, and what its missing texts are."""
    if hasattr(part, "build_analyzer"):
        return "text", math.nan
    if hasattr(part, "categories_"):
        return _kind_of_seen(list(part.categories_[place]))
    if hasattr(part, "statistics_"):
        kind, _ = _kind_of_seen([part.statistics_[place]])
        return kind, None if part.missing_values is None else math.nan
    return ("number" if _takes_only_numbers(part) else None), math.nan


def _kind_of_seen(seen: list[Any]) -> tuple[Kind | None, float | None]:
    kind: Kind = "text" if any(isinstance(value, str) for value in seen) else "number"
    return kind, None if None in seen else math.nan


def _takes_only_numbers(estimator: Any) -> bool:
    """Say whether scikit-learn alone is at work in an estimator, with parts that take numbers only."""
    return all(
        type(part).__module__.startswith("sklearn.")
        and not any(getattr(part, name, None) is not None for name in _NOT_ONLY_NUMBERS)
        for part in _parts(estimator)
    )


def _parts(estimator: Any) -> Iterator[Any]:
    """Give an estimator and the estimators in it, as far as its attributes hold them."""
    from sklearn.base import BaseEstimator

    waiting, seen = [estimator], set[int]()
    while waiting and len(seen) < _MOST_PARTS:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, BaseEstimator):
            yield found
            waiting.extend(vars(found).values())
        elif isinstance(found, list | tuple):
            waiting.extend(found)  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(found, dict):
            waiting.extend(found.values())  # pyright: ignore[reportUnknownArgumentType]


def _numbers(chosen: Any, names: Sequence[str | None]) -> list[int]:
    """Return the places of the columns that one part of a ColumnTransformer takes."""
    import numpy as np

    places = np.arange(len(names))
    if isinstance(chosen, str):
        return [names.index(chosen)]
    if isinstance(chosen, slice):
        first, last = cast("Any", chosen.start), cast("Any", chosen.stop)
        if isinstance(first, str) or isinstance(last, str):  # by name, both ends included
            begin = names.index(first) if first is not None else 0
            return list(range(begin, names.index(last) + 1 if last is not None else len(names)))
        return places[chosen].tolist()
    picked = np.atleast_1d(np.asarray(chosen))
    if picked.dtype.kind in "OUT":
        return [names.index(str(name)) for name in picked.tolist()]
    return np.atleast_1d(places[picked]).tolist() if picked.size else []
