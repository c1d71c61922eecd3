"""Microbenchmarks with a verdict: ``Suite`` times functions against each other and says how sure it is.

Start reading at ``suite.py``, then ``measure.py`` (the clock) and ``compare.py`` (the intervals).
"""

from pulse_ai.bench.suite.compare import Comparison as Comparison
from pulse_ai.bench.suite.formats import to_html as to_html
from pulse_ai.bench.suite.formats import to_markdown as to_markdown
from pulse_ai.bench.suite.formats import to_text as to_text
from pulse_ai.bench.suite.history import RunComparison as RunComparison
from pulse_ai.bench.suite.history import compare_runs as compare_runs
from pulse_ai.bench.suite.jobs import Hooks as Hooks
from pulse_ai.bench.suite.jobs import Job as Job
from pulse_ai.bench.suite.jobs import SuiteSettings as SuiteSettings
from pulse_ai.bench.suite.report import SuiteReport as SuiteReport
from pulse_ai.bench.suite.report import read_report as read_report
from pulse_ai.bench.suite.report import save_report as save_report
from pulse_ai.bench.suite.statistics import Statistics as Statistics
from pulse_ai.bench.suite.suite import ResultsDiffer as ResultsDiffer
from pulse_ai.bench.suite.suite import Suite as Suite
