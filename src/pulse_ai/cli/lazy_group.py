"""A group of commands that is imported only once one of them is wanted."""

__all__ = ("LazyGroup",)

from abc import abstractmethod
from collections.abc import MutableMapping
from functools import cached_property
from typing import Any

import typer.main
from typer.core import TyperGroup

from pulse_ai.cli.last_words import EXIT_INTERRUPTED, fail


class LazyGroup(TyperGroup):
    """Commands that are found when they are first asked for, so that ``pulse serve`` need not wait for them."""

    @abstractmethod
    def load(self) -> typer.Typer:
        """Import the module of the commands and return its app."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that is named, and tell a Ctrl-C: Typer alone would end without a word."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stopped:
            raise typer.Exit(fail("stopped", EXIT_INTERRUPTED)) from stopped

    @property
    def commands(self) -> MutableMapping[str, Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The commands, by name."""
        return self._found

    @commands.setter
    def commands(self, given: MutableMapping[str, Any]) -> None:
        """Take no notice of the empty ones that Typer gives."""

    @cached_property
    def _found(self) -> MutableMapping[str, Any]:
        return typer.main.get_group(self.load()).commands
