"""The floor: what every room speaks of. Tasks, manifests, errors, settings.

May import: the standard library, msgspec, numpy. Nothing here does I/O, but for building a task from its
spec, which the worker process does.

Start reading at ``task.py``, then ``errors.py``.
"""

from pulse_ai.core.checker import checker_type as checker_type
from pulse_ai.core.cores import available_cores as available_cores
from pulse_ai.core.errors import BadFrame as BadFrame
from pulse_ai.core.errors import DeadlineExceeded as DeadlineExceeded
from pulse_ai.core.errors import Draining as Draining
from pulse_ai.core.errors import FrameTooLarge as FrameTooLarge
from pulse_ai.core.errors import InvalidInput as InvalidInput
from pulse_ai.core.errors import LoadFailed as LoadFailed
from pulse_ai.core.errors import ModelError as ModelError
from pulse_ai.core.errors import NotReady as NotReady
from pulse_ai.core.errors import Overloaded as Overloaded
from pulse_ai.core.errors import PoisonedInput as PoisonedInput
from pulse_ai.core.errors import PulseError as PulseError
from pulse_ai.core.errors import Refused as Refused
from pulse_ai.core.errors import RequestError as RequestError
from pulse_ai.core.errors import StartTimeout as StartTimeout
from pulse_ai.core.errors import TargetError as TargetError
from pulse_ai.core.errors import TooLarge as TooLarge
from pulse_ai.core.errors import TruncatedStream as TruncatedStream
from pulse_ai.core.errors import UnknownModel as UnknownModel
from pulse_ai.core.errors import VersionMismatch as VersionMismatch
from pulse_ai.core.errors import WireError as WireError
from pulse_ai.core.errors import WorkerError as WorkerError
from pulse_ai.core.errors import WorkerLost as WorkerLost
from pulse_ai.core.manifest import PROTOCOL_VERSION as PROTOCOL_VERSION
from pulse_ai.core.manifest import Manifest as Manifest
from pulse_ai.core.manifest import manifest_of as manifest_of
from pulse_ai.core.places import describe_error as describe_error
from pulse_ai.core.reasons import DEATH_REASONS as DEATH_REASONS
from pulse_ai.core.reasons import DeathReason as DeathReason
from pulse_ai.core.schema import ItemTypes as ItemTypes
from pulse_ai.core.schema import is_array_type as is_array_type
from pulse_ai.core.schema import item_types as item_types
from pulse_ai.core.schema import schema_of as schema_of
from pulse_ai.core.settings import LEAST_MEMORY_BYTES as LEAST_MEMORY_BYTES
from pulse_ai.core.settings import MOST_MEMORY_BYTES as MOST_MEMORY_BYTES
from pulse_ai.core.settings import MOST_SPIN_S as MOST_SPIN_S
from pulse_ai.core.settings import BatchMode as BatchMode
from pulse_ai.core.settings import GiveUp as GiveUp
from pulse_ai.core.settings import Priority as Priority
from pulse_ai.core.settings import SchedulerSettings as SchedulerSettings
from pulse_ai.core.settings import WebSettings as WebSettings
from pulse_ai.core.settings import WorkerSettings as WorkerSettings
from pulse_ai.core.settings import cache_dir as cache_dir
from pulse_ai.core.spec import TaskSpec as TaskSpec
from pulse_ai.core.spec import build_task as build_task
from pulse_ai.core.spec import refuse_during_import as refuse_during_import
from pulse_ai.core.spec import spec_of as spec_of
from pulse_ai.core.task import Failure as Failure
from pulse_ai.core.task import ProgressReport as ProgressReport
from pulse_ai.core.task import Task as Task
