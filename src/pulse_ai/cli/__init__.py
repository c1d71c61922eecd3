"""The command ``pulse``: the roof of the house. Everything is wired together here, and only here.

May import: every room. Typer and Rich live here and nowhere else.

Start reading at ``main.py``, then ``commands.py`` and ``serve.py``.
"""

from pulse_ai.cli.main import main as main
