"""The words for why a worker ended, as the metric of deaths counts it; docs/running.md says what each means."""

__all__ = ("DEATH_REASONS", "DeathReason")

from typing import Literal, get_args

DeathReason = Literal["crash", "exit", "killed", "load", "memory", "overdue", "protocol", "silent"]
"""One of the words."""

DEATH_REASONS: tuple[DeathReason, ...] = get_args(DeathReason)
"""All of them."""
