"""The task that the measurements use: it does nothing, so that all that is measured is the way to it."""

from typing import Any

from pulse_ai import Task


class Echo(Task):
    """Answers with the item itself."""

    def predict(self, items: list[Any]) -> list[Any]:
        return items
