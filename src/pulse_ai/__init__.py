"""Pulse: from a CSV or a pretrained checkpoint to an API that stays fast, bounded and alive.

``from pulse_ai import Task, Failure, Serving`` is all that most programs need; each name is imported when it
is first used, so that a worker process does not pay for the server and the server not for the models.
"""

__all__ = ("Failure", "Serving", "Task", "__version__")

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pulse_ai.core import Failure, Task
    from pulse_ai.serving import Serving

__version__ = "0.1.0"

_HOMES = {"Failure": "pulse_ai.core", "Task": "pulse_ai.core", "Serving": "pulse_ai.serving"}


def __getattr__(name: str) -> Any:
    """Import a public name from the room where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pulse_ai' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
