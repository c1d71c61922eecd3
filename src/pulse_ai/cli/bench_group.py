"""``pulse bench`` as ``pulse`` sees it: what it needs is imported only once one of its commands is wanted.

NumPy and the reports take a fifth of a second to import, which ``pulse serve`` must not wait for.
"""

__all__ = ("BenchGroup",)

from collections.abc import MutableMapping
from functools import cached_property
from typing import Any

import typer.main
from typer.core import TyperGroup


class BenchGroup(TyperGroup):
    """The commands of ``bench.py``, found when they are first asked for."""

    @property
    def commands(self) -> MutableMapping[str, Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The commands, by name."""
        return self._found

    @commands.setter
    def commands(self, given: MutableMapping[str, Any]) -> None:
        """Take no notice of the empty ones that Typer gives."""

    @cached_property
    def _found(self) -> MutableMapping[str, Any]:
        from pulse_ai.cli.bench import app

        return typer.main.get_group(app).commands
