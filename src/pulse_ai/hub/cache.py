"""Converted models on disk: made once, found by content, never seen half-written.

An entry is a folder that appears under its final name in one rename, so whoever sees it sees all of it. A
lock on a file beside it lets only one process make it; the system drops the lock if that process dies, and
whoever gets it next knows that any unfinished folder of this entry was left behind.
"""

__all__ = ("Entry", "Maker", "content_digest", "open_entry")

import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pulse_ai.core import LoadFailed

GRAPH = "model.onnx"
_FACTS = "facts.json"
_CHUNK_BYTES = 1 << 20


class Entry(NamedTuple):
    """A converted model.

    Attributes:
        graph: The ONNX file.
        facts: What was measured when it was made: plain values.
    """

    graph: Path
    facts: dict[str, Any]


Maker = Callable[[Path], dict[str, Any]]
"""Writes ``model.onnx`` into a folder and returns the facts to keep with it."""


def content_digest(paths: Iterable[Path], *words: str) -> str:
    """Return a name for these files' content and these words; 32 hex digits.

    Example:
        >>> content_digest([], "int8") == content_digest([], "fp32")
        False
    """
    digest = hashlib.sha256("\0".join(words).encode())
    for path in paths:
        with path.open("rb") as file:
            part = hashlib.file_digest(file, "sha256")
        digest.update(part.digest())
    return digest.hexdigest()[:32]


def open_entry(folder: Path, key: str, make: Maker) -> Entry:
    """Return the entry, made now if no process has made it before.

    Args:
        folder: Where entries are kept; made if it does not exist.
        key: The entry's name.
        make: Called at most once, in a folder that becomes the entry if it returns.

    Raises:
        LoadFailed: The folder cannot be written to, or a file that the entry is made of cannot be read.

    Example:
        >>> def make(folder: Path) -> dict[str, str]:
        ...     _ = (folder / "model.onnx").write_bytes(b"graph")
        ...     return {"precision": "int8"}
        >>> open_entry(Path(tempfile.mkdtemp()), "k", make).facts
        {'precision': 'int8'}
    """
    found = _read(folder / key)
    if found:
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f"{key}.lock"):
            return _read(folder / key) or _make(folder, key, make)
    except OSError as error:
        if not _is_about(folder, error):
            raise LoadFailed(f"a file that the model is made of cannot be used: {error}") from error
        raise LoadFailed(
            f"the model cache {folder} cannot be written: {error}; set PULSE_CACHE_DIR to a folder that can"
        ) from error


def _is_about(folder: Path, error: OSError) -> bool:
    """Return whether an error is of the folder, of what is in it or above it; a full disk names no file."""
    if not isinstance(error.filename, str):
        return True
    place = Path(error.filename)
    return place.is_relative_to(folder) or folder.is_relative_to(place)


def _make(folder: Path, key: str, make: Maker) -> Entry:
    for left_behind in (folder / key, *folder.glob(f".{key}.*")):
        shutil.rmtree(left_behind, ignore_errors=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{key}.", dir=folder))
    try:
        facts = make(unfinished)
        size = (unfinished / GRAPH).stat().st_size
        (unfinished / _FACTS).write_text(json.dumps({"graph_bytes": size, "facts": facts}))
        unfinished.rename(folder / key)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Entry(folder / key / GRAPH, facts)


def _read(entry: Path) -> Entry | None:
    """Return an entry that is whole; a disk that filled up or was cut off can leave one that is not."""
    try:
        kept = json.loads((entry / _FACTS).read_bytes())
        whole = (entry / GRAPH).stat().st_size == kept["graph_bytes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Entry(entry / GRAPH, kept["facts"]) if whole else None


@contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
