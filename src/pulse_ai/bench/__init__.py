"""The proving room: open-loop load, microbenchmarks with a verdict, and their reports.

May import: core, and the public names of serving and numerics. Prints nothing: reports are values, and text,
JSON, Markdown and HTML are made from them; the terminal belongs to the cli.

Start reading at ``load/plan.py`` for load, ``suite/suite.py`` for microbenchmarks.
"""

from pulse_ai.bench.charts import Axis as Axis
from pulse_ai.bench.charts import Mark as Mark
from pulse_ai.bench.charts import Series as Series
from pulse_ai.bench.charts import line_chart as line_chart
from pulse_ai.bench.charts import standalone as standalone
from pulse_ai.bench.suite import Hooks as Hooks
from pulse_ai.bench.suite import Suite as Suite
from pulse_ai.bench.suite import SuiteReport as SuiteReport
from pulse_ai.bench.suite import SuiteSettings as SuiteSettings
from pulse_ai.bench.suite import compare_runs as compare_runs
from pulse_ai.bench.suite import read_report as read_report
from pulse_ai.bench.suite import save_report as save_report
