"""The choices that a person makes for a pretrained model, checked when they are made."""

__all__ = ("ClassificationOptions", "ClassificationSettings", "Precision", "ScoresFunction")

from dataclasses import dataclass
from typing import Literal, TypedDict, get_args

Precision = Literal["fp32", "int8"]
ScoresFunction = Literal["softmax", "sigmoid", "none"]


class ClassificationOptions(TypedDict, total=False):
    """The keyword arguments of ``TextClassification``; their meanings are in ``ClassificationSettings``."""

    revision: str | None
    precision: Precision
    scores_function: ScoresFunction | None
    top_k: int | None
    offline: bool
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationSettings:
    """Which model, and how it is run.

    Attributes:
        source: ``embedded``, ``hf:owner/name`` with an optional ``@revision``, or a folder.
        revision: Branch, tag or commit on the Hub; None takes the one in ``source``, or the default branch.
        precision: ``int8`` (smaller, about four times as fast) or ``fp32`` (as the model was published).
        scores_function: How scores are made from the model's raw numbers; None takes what fits the
            config's ``problem_type``.
        top_k: How many labels an answer holds, at least 1; None means all of them.
        offline: Whether to use only what is on this machine.
        threads: Threads of the engine; 0 means one for each core that this process may use.

    Example:
        >>> ClassificationSettings(source="embedded", top_k=0)
        Traceback (most recent call last):
        ValueError: top_k must be at least 1, got 0
    """

    source: str
    revision: str | None = None
    precision: Precision = "int8"
    scores_function: ScoresFunction | None = None
    top_k: int | None = None
    offline: bool = False
    threads: int = 0

    def __post_init__(self) -> None:
        if not self.source:
            raise ValueError("source must not be empty; write embedded, hf:owner/name or a folder")
        if self.precision not in get_args(Precision):
            raise ValueError(f"precision must be 'fp32' or 'int8', got {self.precision!r}")
        if self.scores_function not in (None, *get_args(ScoresFunction)):
            raise ValueError(
                f"scores_function must be 'softmax', 'sigmoid' or 'none', got {self.scores_function!r}"
            )
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k must be at least 1, got {self.top_k}")
        if self.threads < 0:
            raise ValueError(f"threads must be at least 0, got {self.threads}")
