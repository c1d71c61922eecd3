"""What a text task is asked and what it answers, as it stands in JSON."""

__all__ = ("Prediction", "Predictions", "Text")

import msgspec


class Text(msgspec.Struct, frozen=True):
    """One text to classify.

    Attributes:
        q: The text; any length, an empty one too.

    Example:
        >>> msgspec.json.decode(b'{"q": "A joy from start to finish."}', type=Text).q
        'A joy from start to finish.'
    """

    q: str


class Prediction(msgspec.Struct, frozen=True):
    """One label and how much the model is for it.

    Attributes:
        label: The label's name in the model's config.
        score: In [0, 1] for ``softmax`` and ``sigmoid``; any finite number for ``none``.
    """

    label: str
    score: float


class Predictions(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to one text: labels with scores, best first.

    Attributes:
        predictions: All labels, or the best ``top_k`` of them.
        truncated: Whether the text was longer than the model can read, so that its end was not seen.
            Left out of the JSON where it is false.

    Example:
        >>> msgspec.json.encode(Predictions([Prediction("POSITIVE", 0.75)]))
        b'{"predictions":[{"label":"POSITIVE","score":0.75}]}'
    """

    predictions: list[Prediction]
    truncated: bool = False
