"""Help that fits the terminal: a line break of a docstring is not one on the screen."""

__all__ = ("FlowingCommand",)

import inspect
from typing import Any

from typer.core import TyperCommand


class FlowingCommand(TyperCommand):
    """A command whose help is in paragraphs; each is broken where the terminal ends and nowhere else."""

    def __init__(self, *arguments: Any, help: str | None = None, **settings: Any) -> None:  # noqa: A002 - Typer's
        super().__init__(*arguments, help=_flowing(help or ""), **settings)


def _flowing(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text).split("\n\n"))
