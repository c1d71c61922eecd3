"""What a user writes: a task loads once and answers lists of items."""

__all__ = ("Failure", "ProgressReport", "Task")

from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self

import msgspec

ProgressReport = Callable[[float | None, str], None]
"""Told how far loading is: a fraction in [0, 1], or None where unknown, and what is being done."""


class Failure(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """The answer to one item that could not be answered; its batch-mates are not touched.

    Attributes:
        why: What was wrong, for the person who sent the item.
        code: Whose fault it is: ``model_error`` (500 over HTTP), or ``invalid_input`` (422) where the item is
            not what the model takes, so that sending it again cannot help.

    Example:
        >>> Failure("the image is empty", code="invalid_input").why
        'the image is empty'
    """

    why: str
    code: Literal["model_error", "invalid_input"] = "model_error"


def _report_nowhere(fraction: float | None, text: str) -> None:
    """Drop a report: nobody is watching."""


class Task:
    """A model: ``load`` once, then ``predict`` lists of items, one answer each, in order.

    The annotations of ``predict`` say what an item is: ``items: list[In]`` and ``-> list[Out]`` become the
    schemas that requests are checked against, without this class being imported by the server. ``In`` and
    ``Out`` may be ``str``, numbers, ``bool``, lists, ``dict`` (any JSON object), dataclasses, TypedDicts,
    ``msgspec.Struct`` and NumPy arrays. An answer may be a ``Failure`` for one item.

    The instance lives in a worker process. It is built there again from the arguments that it was made with
    here, so those must be plain values (numbers, text, lists, dicts).

    Attributes:
        version: The model's version, shown in the Manifest; "0" where the task does not say.

    Example:
        >>> class Shout(Task):
        ...     def predict(self, items: list[str]) -> list[str]:
        ...         return [item.upper() for item in items]
        >>> Shout().predict(["hello"])
        ['HELLO']
    """

    version: ClassVar[str] = "0"
    _arguments: tuple[tuple[Any, ...], dict[str, Any]]
    _on_progress: ProgressReport = staticmethod(_report_nowhere)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Remember the arguments, so that a worker process can build the same task."""
        task = super().__new__(cls)
        task._arguments = (args, kwargs)
        return task

    def load(self) -> None:
        """Do the slow part: read weights, build engines. Called once, in the worker, before ``predict``."""

    def predict(self, items: Any, /) -> Any:
        """Answer each item, in order.

        Args:
            items: At least one item, at most the batch size.

        Returns:
            One answer, or ``Failure``, for each item.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define predict(self, items: list[In]) -> list[Out]"
        )

    def input_schema(self) -> dict[str, Any] | None:
        """Return the JSON Schema of one item, where ``load`` finds out more than the hint of ``predict`` says.

        It may only narrow what the hint says. The service checks requests against it and publishes it.
        """
        return None

    def examples(self) -> list[Any]:
        """Return a few typical items, short and long ones; called once, after ``load``.

        The worker answers batches of them before it is ready. So the first caller does not wait for what is
        only slow once, the service knows from the start how long batches take, and a task that cannot answer
        its own examples does not become ready. Without examples it learns from the first requests.
        """
        return []

    def describe(self) -> dict[str, Any]:
        """Return facts worth showing to a person (engine, precision, size); plain values, after ``load``."""
        return {}

    def take_counts(self) -> dict[str, int]:
        """Return what was counted since the last call, by name; the service sums it into its metrics."""
        return {}

    def report_progress(self, fraction: float | None, text: str) -> None:
        """Say how far loading is. The start screen and ``/readyz`` show it.

        Args:
            fraction: Between 0 and 1, or None where it is not known.
            text: What is being done now, in a few words.
        """
        self._on_progress(fraction, text)
