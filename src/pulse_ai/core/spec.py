"""How a task is named by one process and built by another, without pickle."""

__all__ = ("TaskSpec", "build_task", "refuse_during_import", "spec_of")

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import msgspec

from pulse_ai.core.errors import LoadFailed, TargetError
from pulse_ai.core.places import describe_error
from pulse_ai.core.task import Task

_importing: list[str] = []  # what this process imports for a task at this moment, the innermost last


class TaskSpec(msgspec.Struct, frozen=True):
    """Where a task's class is and what to make it with.

    Attributes:
        target: ``module:Name`` or ``path/to/file.py:name``; the name is a ``Task`` class or instance.
        args: Positional arguments for the class; plain values.
        kwargs: Keyword arguments for the class; plain values.

    Example:
        >>> TaskSpec("shop.models:Prices", kwargs={"currency": "EUR"}).target
        'shop.models:Prices'
    """

    target: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}


def spec_of(task: Task | type[Task]) -> TaskSpec:
    """Return the spec from which a worker process can build this task again.

    Raises:
        TargetError: The class lives where another process cannot find it (inside a function, or typed at
            a prompt), or was made with arguments that are not plain values.

    Example:
        >>> from fractions import Fraction
        >>> spec_of(Fraction)
        Traceback (most recent call last):
        pulse_ai.core.errors.TargetError: Fraction is not a Task: derive it from pulse_ai.Task
    """
    cls: type = task if isinstance(task, type) else type(task)
    if not issubclass(cls, Task):
        raise TargetError(f"{cls.__name__} is not a Task: derive it from pulse_ai.Task")
    if "<locals>" in cls.__qualname__:
        raise TargetError(f"{cls.__qualname__} is defined inside a function; move it to the top of a module")
    args, kwargs = ((), {}) if isinstance(task, type) else task._arguments  # noqa: SLF001 - our own base class
    try:
        _require_plain((args, kwargs))
        msgspec.msgpack.encode((args, kwargs))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise TargetError(
            f"{cls.__name__} was made with a value that cannot be sent to a worker: {error}"
        ) from error
    return TaskSpec(f"{_origin(cls)}:{cls.__qualname__}", args, kwargs)


def _require_plain(value: Any) -> None:
    """Refuse what msgpack would carry but change on the way: a dataclass comes out as a dict, a set as a list.

    Raises:
        TypeError: The value, or a part of it, is not None, a number, text, bytes, a list, tuple or dict.
    """
    if isinstance(value, dict):
        for key, part in cast("dict[Any, Any]", value).items():
            _require_plain(key)
            _require_plain(part)
    elif isinstance(value, (list, tuple)):
        for part in cast("list[Any]", value):
            _require_plain(part)
    elif value is not None and not isinstance(value, (bool, int, float, str, bytes)):
        raise TypeError(f"{type(value).__name__} is not a plain value")


def _origin(cls: type) -> str:
    """Return the module's import name, or the file's path for a script's ``__main__``."""
    if cls.__module__ != "__main__":
        return cls.__module__
    file = getattr(sys.modules["__main__"], "__file__", None)
    if file is None or not Path(file).is_file():  # it is '<stdin>' where the script came through a pipe
        raise TargetError(
            f"{cls.__name__} was typed at a prompt; put it in a file so that a worker can import it"
        )
    return str(Path(file).resolve())


def build_task(spec: TaskSpec) -> Task:
    """Import and build the task of a spec. Runs in the worker process.

    Raises:
        LoadFailed: The module or name does not exist, importing it raised, it is not a Task, or it has no
            ``predict`` that can be called.

    Example:
        >>> build_task(TaskSpec("nowhere:Nothing"))
        Traceback (most recent call last):
        pulse_ai.core.errors.LoadFailed: cannot import 'nowhere': No module named 'nowhere'
    """
    origin, _, name = spec.target.rpartition(":")
    if not origin:
        raise LoadFailed(f"{spec.target!r} does not name a task; write module:Name or file.py:name")
    module = _import(origin)
    found = _find(module, name)
    if isinstance(found, type) and issubclass(found, Task):
        return _checked(_construct(found, spec))
    if isinstance(found, Task):
        return _checked(found)
    raise LoadFailed(f"{name!r} in {origin!r} {_what_instead(found, module)}")


def _what_instead(found: Any, module: ModuleType) -> str:
    """Say what a name is that is no task, and which names are."""
    if isinstance(found, type):
        return "is a class, but not a Task: derive it from pulse_ai.Task"
    if found is not None:
        return f"is of the type {found.__class__.__name__}, not a Task"
    tasks = [name for name, value in vars(module).items() if _is_task_of(module, value)]
    return "does not exist" + (f"; there is {', '.join(tasks)}" if tasks else "")


def _is_task_of(module: ModuleType, value: Any) -> bool:
    if isinstance(value, type):
        return issubclass(value, Task) and value.__module__ == module.__name__
    return isinstance(value, Task)


def _checked(task: Task) -> Task:
    """Refuse a task that can answer nothing, before it loads for minutes and is taken for ready."""
    cls = type(task)
    if cls.predict is Task.predict and "predict" not in vars(task):
        raise LoadFailed(f"{cls.__name__} does not define predict(self, items: list[In]) -> list[Out]")
    if inspect.iscoroutinefunction(task.predict) or inspect.isasyncgenfunction(task.predict):
        raise LoadFailed(
            f"{cls.__name__}.predict is async; write it without: it may wait, it has a process of its own"
        )
    return task


def _find(module: ModuleType, name: str) -> Any:
    """Return what has that dotted name, or None."""
    found: Any = module
    try:
        for part in name.split("."):
            found = getattr(found, part, None)
    except Exception as error:
        raise LoadFailed(f"cannot get {name!r} from {module.__name__!r}: {describe_error(error)}") from error
    return found


def _construct(cls: type[Task], spec: TaskSpec) -> Task:
    try:
        return cls(*spec.args, **spec.kwargs)
    except (Exception, SystemExit) as error:
        raise LoadFailed(f"{cls.__name__} could not be built: {describe_error(error)}") from error


def refuse_during_import() -> None:
    """Refuse what would start workers while a task's module is being imported.

    A worker imports the module that its task is in. Were it to start workers as it is imported, each of them would
    import it again and start its own, without end.

    Raises:
        TargetError: A module is being imported for a task.
    """
    if _importing:
        raise TargetError(
            f"{Path(_importing[-1]).name} starts workers while a worker imports it; put what starts them under "
            'if __name__ == "__main__":'
        )


def _import(origin: str) -> ModuleType:
    _importing.append(origin)
    try:
        return _import_file(Path(origin)) if origin.endswith(".py") else importlib.import_module(origin)
    except (ImportError, FileNotFoundError) as error:
        raise LoadFailed(f"cannot import {origin!r}: {error}") from error
    except (Exception, SystemExit) as error:  # a script without a __main__ guard may end with sys.exit()
        raise LoadFailed(f"cannot import {origin!r}: {describe_error(error)}") from error
    finally:
        _importing.pop()


def _import_file(path: Path) -> ModuleType:
    """Import a file by its path under a name of its own, with its folder first on the import path."""
    name = f"pulse_target_{path.stem}"
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"no Python file at {path}")
    sys.path.insert(0, str(path.resolve().parent))
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    module_spec.loader.exec_module(module)
    return module
