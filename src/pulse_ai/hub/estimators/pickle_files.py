"""Reads pickle and joblib files, which run whatever code is in them. The only place of the package that does."""

__all__ = ("read_pickle",)

import logging
from pathlib import Path
from typing import Any

from pulse_ai.core import LoadFailed, TargetError

_log = logging.getLogger(__name__)


def read_pickle(path: Path, *, trust_pickle: bool) -> Any:
    """Return the object in a pickle or joblib file, after a person has said that the file is trusted.

    Args:
        path: The file.
        trust_pickle: Whether a person said so.

    Raises:
        TargetError: Nobody said so. The file was not opened.
        LoadFailed: joblib is not installed, or the file cannot be read; code in it may have run.
    """
    if not trust_pickle:
        raise TargetError(refusal(path.name))
    try:
        import joblib  # pickles on purpose: the person named this file as trusted
    except ImportError as error:
        raise LoadFailed(
            f"{path.name} needs scikit-learn ({error}); install it with pip install 'pulse-ai[sklearn]'"
        ) from error
    _log.warning("opening the pickle %s: whatever code is in it runs now", path.name)
    try:
        return joblib.load(path)
    except Exception as error:  # it is somebody's code: anything can come
        raise LoadFailed(f"{path.name} cannot be unpickled: {type(error).__name__}: {error}") from error


def refusal(name: str) -> str:
    """Return why a pickle is not opened, and what to do about it.

    Example:
        >>> refusal("model.pkl").partition(";")[0]
        'model.pkl is a pickle, and opening one runs any code that is in it'
    """
    return (
        f"{name} is a pickle, and opening one runs any code that is in it; save the model with skops.io.dump or "
        "as ONNX instead, or say --trust-pickle (trust_pickle=True in Python) if you trust who made it"
    )
