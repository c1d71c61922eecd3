"""What a TARGET on the command line means. Nothing is imported or downloaded here; the worker does that."""

__all__ = ("EMBEDDED_NAME", "Target", "model_name", "parse_target", "split_name")

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from pulse_ai.core import TargetError, TaskSpec

EMBEDDED_NAME = "sentiment"
"""The name of the model that the package carries."""

_HUB_TASK = "pulse_ai.hub:TextClassification"
_ESTIMATOR_TASK = "pulse_ai.hub:Estimator"
_ESTIMATOR_FILE = re.compile(r".+\.(skops|onnx|joblib|pkl|pickle)", re.IGNORECASE | re.DOTALL)
_ESTIMATOR_OPTIONS = frozenset(("trust_types", "trust_pickle", "top_k", "threads"))
_TABULAR_TASKS = {
    "binary": "pulse_ai.hub:TabularClassifier",
    "multiclass": "pulse_ai.hub:TabularClassifier",
    "regression": "pulse_ai.hub:TabularRegressor",
}
_TABULAR_OPTIONS = {
    "binary": ("top_k", "threads"),
    "multiclass": ("top_k", "threads"),
    "regression": ("threads",),
}
_MOST_FACTS_BYTES = 16 * 1024 * 1024
_TEXT_OPTIONS = frozenset(("precision", "scores_function", "top_k", "threads", "offline"))
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DOTTED_NAME = re.compile(r"[A-Za-z_][\w.]*")
_MODULE_TASK = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_NAME_RULE = "names are 1 to 64 of letters, digits, '.', '_' and '-', the first a letter or a digit"
_HELP = (
    "a TARGET is nothing (the embedded sentiment model), hf:owner/name[@revision], a folder, a .skops or .onnx "
    "file, module:Task, or file.py:task"
)


class Target(NamedTuple):
    """A model to serve: its name in the URL, and what its workers build."""

    name: str
    spec: TaskSpec


def parse_target(text: str, hub_options: dict[str, Any]) -> Target:
    """Read ``[NAME=]TARGET``.

    Args:
        text: What the person typed.
        hub_options: Keyword arguments of ``TextClassification`` and ``Estimator`` that the person set.

    Raises:
        TargetError: It is empty or none of the forms, or names a folder or file that is not there.

    Example:
        >>> parse_target("prices=shop.models:Prices", {})
        Target(name='prices', spec=TaskSpec(target='shop.models:Prices', args=(), kwargs={}))
        >>> parse_target("hf:acme/mood@v2", {"top_k": 1}).name
        'mood'
    """
    name, rest = split_name(text)
    try:
        target = _read(rest, hub_options)
    except TargetError as error:
        if name or "=" not in text:
            raise
        wrong = text.partition("=")[0]
        raise TargetError(f"{wrong!r} is no name: {_NAME_RULE}; {error}") from error
    return Target(name or model_name(target.name), target.spec)


def split_name(text: str) -> tuple[str, str]:
    """Return the name before ``=``, and the rest; where that is no name, nothing and the whole text.

    Example:
        >>> split_name("mood=./model"), split_name("./a=b")
        (('mood', './model'), ('', './a=b'))
    """
    name, equals, rest = text.partition("=")
    return (name, rest) if equals and _NAME.fullmatch(name) else ("", text)


def model_name(text: str) -> str:
    """Return a name that can stand in a URL, as near to the text as can be.

    Example:
        >>> model_name("My Model"), model_name("---")
        ('My-Model', 'model')
    """
    return re.sub(r"[^A-Za-z0-9._-]", "-", text).strip("-._")[:64] or "model"


def _read(text: str, hub_options: dict[str, Any]) -> Target:
    if not text:
        raise TargetError(f"a TARGET is empty; leave it out or write {EMBEDDED_NAME} for the embedded model")
    if text in {EMBEDDED_NAME, "embedded"}:
        return Target(EMBEDDED_NAME, _hub_spec("embedded", hub_options))
    if text.startswith("hf:"):
        repository = text[3:].partition("@")[0]
        if repository.count("/") != 1 or not all(repository.split("/")):
            raise TargetError(
                f"{text!r} does not name a repository; write hf:owner/name or hf:owner/name@revision"
            )
        return Target(repository.rpartition("/")[2].lower(), _hub_spec(text, hub_options))
    if _exists(text, Path.is_dir):
        facts = _tabular_facts(Path(text))
        if facts is not None:
            return _tabular_target(Path(text), facts, hub_options)
        return Target(Path(text).resolve().name.lower(), _hub_spec(str(Path(text).resolve()), hub_options))
    if _ESTIMATOR_FILE.fullmatch(text):
        return _estimator_target(text, hub_options)
    return _code_target(text)


def _hub_spec(source: str, hub_options: dict[str, Any]) -> TaskSpec:
    chosen = {name: value for name, value in hub_options.items() if name in _TEXT_OPTIONS}
    return TaskSpec(_HUB_TASK, kwargs={"source": source, **chosen})


class _TabularFacts(msgspec.Struct):
    """What has to be known of a trained model before a worker opens it."""

    format: Literal["pulse-tabular"]
    task: Literal["binary", "multiclass", "regression"]
    name: str = ""


def _tabular_facts(folder: Path) -> _TabularFacts | None:
    """Read what `pulse train` wrote; None where it did not write this folder.

    Raises:
        TargetError: It did, but what it wrote is broken.
    """
    file = folder / "model.json"
    try:
        with file.open("rb") as opened:
            return msgspec.json.decode(opened.read(_MOST_FACTS_BYTES), type=_TabularFacts)
    except (OSError, msgspec.MsgspecError) as error:
        if not _exists(str(folder / "recipe.json"), Path.is_file):
            return None
        why = getattr(error, "strerror", None) or error
        raise TargetError(
            f"{str(file)!r} is not as pulse train writes it: {why}; train the model again"
        ) from error


def _tabular_target(folder: Path, facts: _TabularFacts, hub_options: dict[str, Any]) -> Target:
    chosen = {name: hub_options[name] for name in _TABULAR_OPTIONS[facts.task] if name in hub_options}
    spec = TaskSpec(_TABULAR_TASKS[facts.task], kwargs={"folder": str(folder.resolve()), **chosen})
    return Target(facts.name or folder.resolve().name.lower(), spec)


def _estimator_target(text: str, hub_options: dict[str, Any]) -> Target:
    path = Path(text)
    if not _exists(text, Path.is_file):
        raise TargetError(f"there is no file {text!r}; {_HELP}")
    chosen = {name: value for name, value in hub_options.items() if name in _ESTIMATOR_OPTIONS}
    return Target(
        path.stem.lower(), TaskSpec(_ESTIMATOR_TASK, kwargs={"source": str(path.resolve()), **chosen})
    )


def _code_target(text: str) -> Target:
    file, colon, attribute = text.rpartition(":")
    if colon and file.endswith(".py"):
        if not _exists(file, Path.is_file):
            raise TargetError(f"there is no file {file!r}; {_HELP}")
        if not _DOTTED_NAME.fullmatch(attribute):
            raise TargetError(f"{text!r} names no task; write {file}:task")
        return Target(attribute.rpartition(".")[2].lower(), TaskSpec(f"{Path(file).resolve()}:{attribute}"))
    if _MODULE_TASK.fullmatch(text):
        return Target(attribute.rpartition(".")[2].lower(), TaskSpec(text))
    if _exists(text, Path.is_file):
        hint = f"write {text}:task" if text.endswith(".py") else _HELP
        raise TargetError(f"{text!r} is a file, not a folder with a checkpoint; {hint}")
    if "/" in text or text.startswith("."):
        raise TargetError(f"there is no folder {text!r}; {_HELP}")
    raise TargetError(f"cannot tell what {text!r} is; {_HELP}")


def _exists(text: str, check: Callable[[Path], bool]) -> bool:
    """Ask the file system; a name that it cannot take, or a folder that it does not show us, is not there."""
    try:
        return check(Path(text))
    except OSError:
        return False
