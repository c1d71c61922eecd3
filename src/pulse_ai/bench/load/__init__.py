"""Open-loop HTTP load: a plan made ahead, a thin asyncio shell that carries it out, a frozen report.

Start reading at ``plan.py`` (when), ``target.py`` (what), ``flow.py`` (which connection, which outcome),
``run.py`` (the shell) and ``report.py``.
"""

from pulse_ai.bench.load.html import to_html as to_html
from pulse_ai.bench.load.plan import LoadPlan as LoadPlan
from pulse_ai.bench.load.plan import Step as Step
from pulse_ai.bench.load.plan import parse_rates as parse_rates
from pulse_ai.bench.load.report import LoadReport as LoadReport
from pulse_ai.bench.load.report import Section as Section
from pulse_ai.bench.load.run import Progress as Progress
from pulse_ai.bench.load.run import loop_factory as loop_factory
from pulse_ai.bench.load.run import run_load as run_load
from pulse_ai.bench.load.run import run_load_sync as run_load_sync
from pulse_ai.bench.load.slo import Rule as Rule
from pulse_ai.bench.load.slo import latency_limit_s as latency_limit_s
from pulse_ai.bench.load.slo import parse_slo as parse_slo
from pulse_ai.bench.load.target import Target as Target
from pulse_ai.bench.load.target import encode_requests as encode_requests
from pulse_ai.bench.load.target import parse_target as parse_target
from pulse_ai.bench.load.target import read_bodies as read_bodies
from pulse_ai.bench.load.target import require_known as require_known
from pulse_ai.bench.load.text import to_text as to_text
