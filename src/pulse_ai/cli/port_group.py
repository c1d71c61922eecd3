"""``pulse port`` as ``pulse`` sees it: what is no command of it is a TARGET to run."""

__all__ = ("PortGroup",)

from typing import Any

import typer

from pulse_ai.cli.lazy_group import LazyGroup

_DEFAULT = "run"
_HELP = ("-h", "--help")


class PortGroup(LazyGroup):
    """The commands of ``port.py``; ``pulse port TARGET`` is ``pulse port run TARGET``."""

    def load(self) -> typer.Typer:
        """Import them."""
        from pulse_ai.cli.port import app

        return app

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command in front where none is named."""
        if args and args[0] not in {*self.commands, *_HELP} and _DEFAULT in self.commands:
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)
