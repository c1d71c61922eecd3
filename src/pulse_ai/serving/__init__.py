"""The scheduler and its shell: admission, queue, batches, deadlines, retries; inline or with workers.

May import: ``port`` and ``core``. ``Scheduler`` decides and does no I/O; ``Engine`` is the asyncio shell
round it; ``WorkerPool`` carries batches to processes; ``Serving`` is what users touch.

Start reading at ``scheduler.py``, then ``engine.py``, then ``serving.py``.
"""

from pulse_ai.serving.engine import Engine as Engine
from pulse_ai.serving.engine import Runner as Runner
from pulse_ai.serving.histogram import Histogram as Histogram
from pulse_ai.serving.pool import SlotStatus as SlotStatus
from pulse_ai.serving.scheduler import Scheduler as Scheduler
from pulse_ai.serving.serving import OpenServing as OpenServing
from pulse_ai.serving.serving import Serving as Serving
from pulse_ai.serving.serving import ServingOptions as ServingOptions
from pulse_ai.serving.statistics import Counters as Counters
from pulse_ai.serving.statistics import Statistics as Statistics
from pulse_ai.serving.ticket import KillWorker as KillWorker
from pulse_ai.serving.ticket import SendBatch as SendBatch
from pulse_ai.serving.ticket import Settle as Settle
from pulse_ai.serving.ticket import Ticket as Ticket
from pulse_ai.serving.ticket import TicketState as TicketState
