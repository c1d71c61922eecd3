"""``pulse bench`` as ``pulse`` sees it: NumPy and the reports take a fifth of a second to import."""

__all__ = ("BenchGroup",)

import typer

from pulse_ai.cli.lazy_group import LazyGroup


class BenchGroup(LazyGroup):
    """The commands of ``bench.py``."""

    def load(self) -> typer.Typer:
        """Import them."""
        from pulse_ai.cli.bench import app

        return app
