"""How many cores this process has."""

__all__ = ("available_cores",)

import os


def available_cores() -> int:
    """Return how many cores this process may use; at least 1.

    Example:
        >>> available_cores() >= 1
        True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
