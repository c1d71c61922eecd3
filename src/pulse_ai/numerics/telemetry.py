"""What was compiled and how long it took, told as it happens.

JAX reports the stages of each compilation by itself; ahead-of-time compilation reports whether the disk cache
had the answer. Both arrive here as one kind of event.
"""

__all__ = ("CompileEvent", "listen_to", "observing_compilations")

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import msgspec

_STAGES = {
    "/jax/core/compile/jaxpr_trace_duration": "trace",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lower",
    "/jax/core/compile/backend_compile_duration": "compile",
    "/jax/compilation_cache/cache_retrieval_time_sec": "read_cache",
}


class CompileEvent(msgspec.Struct, frozen=True):
    """One stage of one compilation, just ended.

    Attributes:
        function: The function's name; empty where XLA does not say.
        stage: ``trace`` (its Python ran), ``lower`` (to StableHLO), ``compile`` (by XLA), or ``read_cache``
            (taken from a cache on disk instead).
        duration_s: How long the stage took, in seconds.
    """

    function: str
    stage: str
    duration_s: float


Listener = Callable[[CompileEvent], None]
_listeners: list[Listener] = []
_lock = threading.Lock()


@contextmanager
def observing_compilations(listener: Listener) -> Generator[None]:
    """Tell a listener of every compilation in this process, for a block.

    Args:
        listener: Called at the end of each stage, in the thread that compiled.

    Example:
        >>> import numpy as np
        >>> from pulse_ai.numerics import defn
        >>> events = []
        >>> with observing_compilations(events.append):
        ...     _ = defn(lambda x: x * 3)(np.ones(3, np.float32))
        >>> {"trace", "lower", "compile"} <= {event.stage for event in events}
        True
    """
    with _lock:
        _listeners.append(listener)
    try:
        yield
    finally:
        with _lock:
            _listeners.remove(listener)


def listen_to(jax: Any) -> None:
    """Hear of JAX's compilations. Called once, when JAX is loaded."""
    jax.monitoring.register_event_duration_secs_listener(_hear)


def _hear(event: str, duration_s: float, **facts: Any) -> None:
    stage = _STAGES.get(event)
    if stage is None or not _listeners:
        return
    with _lock:
        listeners = tuple(_listeners)
    name = str(facts.get("fun_name", "")).removeprefix("jit(").removesuffix(")")
    for listener in listeners:
        listener(CompileEvent(name, stage, duration_s))
