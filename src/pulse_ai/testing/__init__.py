"""The public test kit: a runner that waits to be told, the simulator of the guarantees, the conformance kit.

May import: every room but ``cli``. It is part of the product: who builds on Pulse tests with it.

Start reading at ``simulate.py``, then ``conformance.py``.
"""

from pulse_ai.testing.conformance import ConformanceReport as ConformanceReport
from pulse_ai.testing.conformance import Outcome as Outcome
from pulse_ai.testing.conformance import check_worker as check_worker
from pulse_ai.testing.conformance import report_of as report_of
from pulse_ai.testing.conformance import run_checks as run_checks
from pulse_ai.testing.conformance_checks import CHECKS as CHECKS
from pulse_ai.testing.conformance_probe import Subject as Subject
from pulse_ai.testing.gate_runner import GateRunner as GateRunner
from pulse_ai.testing.judge import Violation as Violation
from pulse_ai.testing.scenario import Faults as Faults
from pulse_ai.testing.scenario import Scenario as Scenario
from pulse_ai.testing.scenario import Traffic as Traffic
from pulse_ai.testing.script import Arrival as Arrival
from pulse_ai.testing.script import Fate as Fate
from pulse_ai.testing.script import Script as Script
from pulse_ai.testing.script import Step as Step
from pulse_ai.testing.shrink import record as record
from pulse_ai.testing.shrink import shrink as shrink
from pulse_ai.testing.simulate import SimulationReport as SimulationReport
from pulse_ai.testing.simulate import simulate as simulate
