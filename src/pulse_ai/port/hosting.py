"""What every process that holds a task does, whoever its parent is: load the task, and end for good."""

__all__ = ("end_process", "load_task")

import contextlib
import os
import sys
import threading
from typing import NoReturn

from pulse_ai.core import LoadFailed, ProgressReport, PulseError, Task, TaskSpec, build_task, describe_error


def load_task(spec: TaskSpec, report: ProgressReport) -> Task:
    """Build and load the task.

    Raises:
        LoadFailed: It could not be built, or its ``load`` raised; the traceback goes to the log.
    """
    task = build_task(spec)
    task._on_progress = report  # noqa: SLF001 - our own base class
    try:
        task.load()
    except PulseError:
        raise
    except BaseException as error:  # a panic in Rust is a BaseException, and so is sys.exit
        raise LoadFailed(f"{type(task).__name__}.load failed: {describe_error(error)}") from error
    return task


def end_process(code: int) -> NoReturn:
    """End the process with this code, whatever the task left behind."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the task may have closed it
            stream.flush()
    if threading.active_count() > 1:
        os._exit(code)  # a thread of the task must not keep the process
    sys.exit(code)
