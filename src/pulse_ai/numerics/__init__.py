"""Numerics: pure functions of arrays, written once, run on NumPy or compiled by XLA.

May import: core, NumPy, and JAX, whose home this is; it is imported when something is first compiled.
``from pulse_ai.numerics import defn, ops`` is where a user begins; docs/numerics.md teaches the rest.

Start reading at ``defn.py``; then ``operation.py`` with the table in ``ops.py``, and ``evaluator.py``.
"""

from pulse_ai.numerics import keys as keys
from pulse_ai.numerics import ops as ops
from pulse_ai.numerics.ahead import compile as compile  # noqa: A004 - the word for it
from pulse_ai.numerics.buckets import Bucketed as Bucketed
from pulse_ai.numerics.buckets import Buckets as Buckets
from pulse_ai.numerics.compilers import CompilerName as CompilerName
from pulse_ai.numerics.compilers import Observer as Observer
from pulse_ai.numerics.compilers import current_compiler as current_compiler
from pulse_ai.numerics.compilers import devices as devices
from pulse_ai.numerics.compilers import strict as strict
from pulse_ai.numerics.compilers import using_compiler as using_compiler
from pulse_ai.numerics.compilers import xla_is_installed as xla_is_installed
from pulse_ai.numerics.control import cond as cond
from pulse_ai.numerics.control import scan as scan
from pulse_ai.numerics.control import while_loop as while_loop
from pulse_ai.numerics.defn import Defn as Defn
from pulse_ai.numerics.defn import defn as defn
from pulse_ai.numerics.defn import jit as jit
from pulse_ai.numerics.disk_cache import DiskCache as DiskCache
from pulse_ai.numerics.errors import BadArgument as BadArgument
from pulse_ai.numerics.errors import CompilerMissing as CompilerMissing
from pulse_ai.numerics.errors import NumericsError as NumericsError
from pulse_ai.numerics.errors import NumericsWarning as NumericsWarning
from pulse_ai.numerics.errors import PurityError as PurityError
from pulse_ai.numerics.errors import PurityWarning as PurityWarning
from pulse_ai.numerics.errors import RecompileWarning as RecompileWarning
from pulse_ai.numerics.errors import SavedFunctionError as SavedFunctionError
from pulse_ai.numerics.errors import StrictPromotion as StrictPromotion
from pulse_ai.numerics.errors import TemplateMismatch as TemplateMismatch
from pulse_ai.numerics.executable import Executable as Executable
from pulse_ai.numerics.functions import gelu as gelu
from pulse_ai.numerics.functions import matmul as matmul
from pulse_ai.numerics.functions import normalize as normalize
from pulse_ai.numerics.functions import softmax as softmax
from pulse_ai.numerics.functions import standard_deviation as standard_deviation
from pulse_ai.numerics.history import DefnStatistics as DefnStatistics
from pulse_ai.numerics.hooks import hook as hook
from pulse_ai.numerics.hooks import observing as observing
from pulse_ai.numerics.hooks import print_value as print_value
from pulse_ai.numerics.losses import binary_cross_entropy as binary_cross_entropy
from pulse_ai.numerics.losses import huber as huber
from pulse_ai.numerics.losses import mean_absolute_error as mean_absolute_error
from pulse_ai.numerics.losses import mean_squared_error as mean_squared_error
from pulse_ai.numerics.losses import softmax_cross_entropy as softmax_cross_entropy
from pulse_ai.numerics.operation import Operation as Operation
from pulse_ai.numerics.saved import load as load
from pulse_ai.numerics.saved import serialize as serialize
from pulse_ai.numerics.served import FunctionTask as FunctionTask
from pulse_ai.numerics.telemetry import CompileEvent as CompileEvent
from pulse_ai.numerics.telemetry import observing_compilations as observing_compilations
from pulse_ai.numerics.templates import Template as Template
from pulse_ai.numerics.templates import template as template
from pulse_ai.numerics.templates import template_of as template_of
from pulse_ai.numerics.transfers import on_device as on_device
from pulse_ai.numerics.transfers import to_numpy as to_numpy
from pulse_ai.numerics.transfers import wait_until_ready as wait_until_ready
from pulse_ai.numerics.transforms import custom_grad as custom_grad
from pulse_ai.numerics.transforms import grad as grad
from pulse_ai.numerics.transforms import stop_grad as stop_grad
from pulse_ai.numerics.transforms import value_and_grad as value_and_grad
from pulse_ai.numerics.transforms import vmap as vmap
