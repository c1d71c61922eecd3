"""The wire and the processes: protocol 1, one worker, the supervisor.

May import: ``core``. The protocol (``frames``, ``messages``, ``connection``) does no I/O; ``worker`` and
``supervisor`` are the asyncio shell round it; ``child`` and ``answering`` run in the worker process. ``foreign``,
``envelopes`` and ``terms`` are the same process for a parent that is not Pulse.

Start reading at ``connection.py``, then ``worker.py``. The documents are docs/port-protocol.md and docs/ports.md.
"""

from pulse_ai.port.answering import BatchAnswerer as BatchAnswerer
from pulse_ai.port.area import SharedArea as SharedArea
from pulse_ai.port.area import areas_work as areas_work
from pulse_ai.port.connection import State as State
from pulse_ai.port.connection import WorkerConnection as WorkerConnection
from pulse_ai.port.deaths import describe_exit as describe_exit
from pulse_ai.port.deaths import reason_of as reason_of
from pulse_ai.port.envelopes import ENVELOPES as ENVELOPES
from pulse_ai.port.foreign import PACKET_BYTES as PACKET_BYTES
from pulse_ai.port.foreign import ForeignConnection as ForeignConnection
from pulse_ai.port.foreign import serve_foreign as serve_foreign
from pulse_ai.port.foreign import take_wire as take_wire
from pulse_ai.port.frames import FrameReader as FrameReader
from pulse_ai.port.hosting import end_process as end_process
from pulse_ai.port.lending import restore as restore
from pulse_ai.port.messages import OK as OK
from pulse_ai.port.messages import Answer as Answer
from pulse_ai.port.messages import Item as Item
from pulse_ai.port.messages import Result as Result
from pulse_ai.port.messages import Shared as Shared
from pulse_ai.port.messages import Timing as Timing
from pulse_ai.port.process import WorkerProcess as WorkerProcess
from pulse_ai.port.process import open_process as open_process
from pulse_ai.port.restart import Restart as Restart
from pulse_ai.port.restart import RestartPolicy as RestartPolicy
from pulse_ai.port.supervisor import PoolEvents as PoolEvents
from pulse_ai.port.supervisor import Succession as Succession
from pulse_ai.port.supervisor import Supervisor as Supervisor
from pulse_ai.port.terms import Atom as Atom
from pulse_ai.port.values import decode_value as decode_value
from pulse_ai.port.values import encode_value as encode_value
from pulse_ai.port.values import to_plain as to_plain
from pulse_ai.port.values import value_decoder as value_decoder
from pulse_ai.port.worker import Worker as Worker
