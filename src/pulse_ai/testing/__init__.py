"""The public test kit: a runner that waits to be told, and the simulator that checks the guarantees.

May import: every room but ``cli``. It is part of the product: who builds on Pulse tests with it.

Start reading at ``simulate.py``.
"""

from pulse_ai.testing.gate_runner import GateRunner as GateRunner
from pulse_ai.testing.scenario import Faults as Faults
from pulse_ai.testing.scenario import Scenario as Scenario
from pulse_ai.testing.scenario import Traffic as Traffic
from pulse_ai.testing.simulate import SimulationReport as SimulationReport
from pulse_ai.testing.simulate import Violation as Violation
from pulse_ai.testing.simulate import simulate as simulate
