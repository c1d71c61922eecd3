"""A task that returns what it is given: all that is measured is the way there and back."""

from typing import Any

from pulse_ai import Task


class NoOp(Task):
    """Answer each item with itself."""

    def predict(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the items."""
        return items
