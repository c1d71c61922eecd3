"""Reads skops files: a format that names every type in it, so that none is built that nobody trusted."""

__all__ = ("read_skops",)

import shlex
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pulse_ai.core import LoadFailed, TargetError

MOST_BYTES = 8 << 30
"""Largest file, unpacked."""
MOST_STRUCTURE_BYTES = 256 << 20
"""Longest description of the objects in a file; the weights are beside it."""

_STRUCTURE = "schema.json"
_HARMLESS = frozenset(
    {"numpy.dtype"}
)  # skops reads it from the head of an empty array; every encoder has one
_MOST_NAMES = 20


def read_skops(path: Path, trust_types: Sequence[str] = ()) -> Any:
    """Return the object in a skops file.

    Types that skops trusts by itself are built, and NumPy's dtype. Any other must be named.

    Args:
        path: The file.
        trust_types: Full names of further types that may be built.

    Raises:
        TargetError: The file holds types that are not trusted; the text names them and says how to trust them.
            Nothing of the file was built.
        LoadFailed: skops is not installed, or the file is damaged or too large, or cannot be built here.
    """
    try:
        import skops.io
    except ImportError as error:
        raise LoadFailed(
            f"{path.name} needs scikit-learn and skops ({error}); "
            "install them with pip install 'pulse-ai[sklearn]'"
        ) from error
    _check_size(path)
    try:
        trusted = _HARMLESS.union(trust_types)
        unknown = sorted(set(skops.io.get_untrusted_types(file=path)) - trusted)
        found = None if unknown else skops.io.load(path, trusted=sorted(trusted))
    except Exception as error:  # a damaged file can raise anything, and so can a type of the user's
        raise LoadFailed(
            f"{path.name} cannot be read as a skops file: {type(error).__name__}: {error}"
        ) from error
    if unknown:
        raise TargetError(_untrusted(path, unknown))
    return found


def _check_size(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {part.filename: part.file_size for part in archive.infolist()}
    except (OSError, zipfile.BadZipFile) as error:
        raise LoadFailed(f"{path.name} cannot be read as a skops file: {error}") from error
    if _STRUCTURE not in sizes:
        raise LoadFailed(f"{path.name} is not a skops file: it has no {_STRUCTURE} in it")
    for what, size, limit in (
        ("unpacked", sum(sizes.values()), MOST_BYTES),
        (f"of {_STRUCTURE}", sizes[_STRUCTURE], MOST_STRUCTURE_BYTES),
    ):
        if size > limit:
            raise LoadFailed(f"{path.name} is {size} bytes {what}, over the limit of {limit}")


def _untrusted(path: Path, names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    options = " ".join(f"--trust-type {shlex.quote(name)}" for name in names[:_MOST_NAMES])
    return (
        f"{path.name} holds {len(names)} type(s) that are not trusted: {shown}{more}; building them can run their "
        f"code. If you know them and trust who made the file, add {options} (trust_types=[...] in Python)"
    )
