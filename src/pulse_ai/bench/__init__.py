"""The proving room: open-loop load, microbenchmarks with a verdict, and their reports.

May import: core, and the public names of serving and numerics. Prints nothing: reports are values, and text,
JSON, Markdown and HTML are made from them; the terminal belongs to the cli.

Start reading at ``load/plan.py`` for load, ``suite/suite.py`` for microbenchmarks.
"""
