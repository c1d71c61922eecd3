"""What an estimator is asked and what it answers, as it stands in JSON."""

__all__ = ("Estimate", "OutputScores", "Row", "ScoredLabel", "Value")

from typing import Any

import msgspec

Value = str | int | float | bool
"""A label or a number that a model predicts."""


class Row(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One row to predict from.

    Attributes:
        features: An object by column name, a list in the order of the columns, or, in Python, a NumPy array
            of one dimension. ``null`` is a missing value. A model of texts takes a text.
        ref: Any scalar; it comes back with the answer, so that the caller can tell answers apart.

    Example:
        >>> msgspec.json.decode(b'{"ref": 7, "features": {"age": 41, "city": "Graz"}}', type=Row).ref
        7
    """

    features: Any
    ref: Value | msgspec.UnsetType | None = msgspec.UNSET


class ScoredLabel(msgspec.Struct, frozen=True):
    """A class and its probability.

    Attributes:
        label: The class, as the model was fitted with it.
        score: In [0, 1].
    """

    label: Value
    score: float


class OutputScores(msgspec.Struct, frozen=True):
    """The classes of one output of a model that has several, best first."""

    predictions: list[ScoredLabel]


class Estimate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to one row.

    Attributes:
        ref: As it came; left out where none came.
        prediction: What ``predict`` gives: a class or a number, or a list where the model has several outputs.
        predictions: Classes with probabilities, best first; left out where the model has none.
        outputs: The same for each output of a model that has several.

    Example:
        >>> msgspec.json.encode(Estimate(ref=7, prediction="yes", predictions=[ScoredLabel("yes", 0.75)]))
        b'{"ref":7,"prediction":"yes","predictions":[{"label":"yes","score":0.75}]}'
    """

    ref: Value | msgspec.UnsetType | None = msgspec.UNSET
    prediction: Value | list[Value]
    predictions: list[ScoredLabel] = []
    outputs: list[OutputScores] = []
