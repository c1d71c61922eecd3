"""What can be wrong with a table that a model is to be trained on."""

__all__ = ("TableError",)

from pulse_ai.core import PulseError


class TableError(PulseError, ValueError):
    """The table cannot be trained on as it is; nothing was written. The text says which column, and what to do."""
