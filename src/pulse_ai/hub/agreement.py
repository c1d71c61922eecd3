"""How much two precisions of one model differ, on sentences that any checkpoint can read."""

__all__ = ("PROBES", "agreement_of")

from collections.abc import Sequence

import numpy as np

from pulse_ai.core import Failure
from pulse_ai.hub.scores import scores_of
from pulse_ai.hub.settings import ScoresFunction
from pulse_ai.hub.text_model import Scored

PROBES: tuple[str, ...] = (
    "A joy from start to finish.",
    "The plot makes no sense and the jokes fall flat.",
    "It arrived on time and does what it says.",
    "I want my money back.",
    "The second half drags, but the ending is worth the wait.",
    "Not bad at all.",
    "Nobody asked for this, and nobody will miss it.",
    "Shares rose three percent after the company raised its forecast.",
    "The minister declined to comment on the report.",
    "Our team lost in the last minute of extra time.",
    "Click here now to claim your free prize!!!",
    "Please send the invoice before Friday.",
    "You are an idiot and everybody knows it.",
    "Thank you so much, this made my day.",
    "The battery lasts two days and charges within an hour.",
    "The battery died after a week, and support never answered.",
    "How do I reset my password?",
    "Water boils at a lower temperature on high mountains.",
    "She opened the letter, read it twice and began to cry.",
    "I am not sure whether I like it.",
    "Das Essen war kalt und der Kellner unfreundlich.",
    "Une merveille du debut a la fin.",
    "ok",
    "The acting is wooden, the story has been told a hundred times, and yet I forgave all of it by the end.",
)
"""Opinions, facts, insults, questions and other languages, short and long; no checkpoint's test set."""


def agreement_of(
    one: Sequence[Scored | Failure], other: Sequence[Scored | Failure], function: ScoresFunction
) -> dict[str, float | int]:
    """Compare two models' answers to the same texts.

    Args:
        one: The first model's answers.
        other: The second model's answers, in the same order.
        function: How scores are made.

    Returns:
        ``label_agreement``, the share of texts in [0, 1] on which both have the same best label,
        ``max_score_difference``, the greatest difference of any score, and ``texts``, how many were compared.

    Example:
        >>> sure = Scored(np.array([0.0, 4.0], np.float32), truncated=False)
        >>> agreement_of([sure], [sure], "softmax")
        {'label_agreement': 1.0, 'max_score_difference': 0.0, 'texts': 1}
    """
    pairs = [
        (first.logits, second.logits)
        for first, second in zip(one, other, strict=True)
        if isinstance(first, Scored) and isinstance(second, Scored)
    ]
    if not pairs:
        return {"label_agreement": 0.0, "max_score_difference": 0.0, "texts": 0}
    first, second = (scores_of(np.stack(rows), function) for rows in zip(*pairs, strict=True))
    return {
        "label_agreement": float((first.argmax(axis=1) == second.argmax(axis=1)).mean()),
        "max_score_difference": round(float(np.abs(first - second).max()), 6),
        "texts": len(pairs),
    }
