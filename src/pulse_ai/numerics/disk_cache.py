"""A cache of compiled code on disk, keyed by content, so that a restarted process does not compile again.

The key is a hash of the function's StableHLO text and of everything under which it is compiled: versions,
the compiler's options, the kind of device, the processor's abilities. Nobody chooses a name, so no two functions
can meet under one.
JAX's own persistent cache does the serialising (XLA's format, no pickle); here each entry is one file, put
beside its place and renamed into it, with a checksum. So any number of processes may share a folder: each
reads a whole entry or none, and a half-written or damaged one is compiled anew.

Compiled code is code: use only a folder that nobody else may write to. One that this class makes is yours.
"""

__all__ = ("DiskCache",)

import contextlib
import hashlib
import importlib
import platform
import tempfile
import threading
import uuid
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pulse_ai.core import cache_dir
from pulse_ai.numerics.compilers import load_jax

_FORMAT = 1
_compiling = (
    threading.Lock()
)  # JAX has one cache folder per process, so one compilation at a time goes through here


class _Entry(msgspec.Struct, frozen=True):
    format: int
    sha256: str
    files: dict[str, bytes]


class DiskCache:
    """A folder of compiled functions.

    Args:
        folder: Where entries are kept; None: ``xla`` in the user's cache folder for Pulse.

    Example:
        >>> from pathlib import Path
        >>> DiskCache(Path("somewhere")).folder.name
        'somewhere'
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        self.folder = cache_dir() / "xla" if folder is None else Path(folder)

    def compile(self, lowered: Any, options: Mapping[str, str] | None = None) -> tuple[Any, bool]:
        """Compile a lowered function of JAX's, or take it from the folder.

        Args:
            lowered: What ``jit(f).lower(...)`` gave.
            options: What XLA's compiler is told, as in ``jax.jit``.

        Returns:
            The compiled function, and whether it was in the folder. A folder that cannot be written to
            costs the time to compile, nothing else.
        """
        path = self.folder / f"{content_key(lowered, options)}.xla"
        files = _read(path)
        with _compiling, tempfile.TemporaryDirectory(prefix="pulse-xla-") as scratch:
            for name, content in files.items():
                (Path(scratch) / name).write_bytes(content)
            with _jax_cache_at(scratch):
                compiled = lowered.compile(dict(options or {}))
            # What other threads compile meanwhile is kept there too, under names of their own.
            made = {
                file.name: file.read_bytes()
                for file in Path(scratch).glob(f"{_module_of(lowered)}-*-cache")
                if file.name not in files
            }
        if made:
            with contextlib.suppress(OSError):
                _write(path, made)
        return compiled, bool(files) and not made


def content_key(lowered: Any, options: Mapping[str, str] | None = None) -> str:
    """Return the hash under which a lowered function is kept: 64 hexadecimal digits."""
    jax = load_jax()
    device = jax.devices()[0]
    under = [_FORMAT, jax.__version__, jax.lib.__version__, device.platform, device.device_kind, _processor()]
    told = sorted((options or {}).items())
    return hashlib.sha256(msgspec.json.encode([*under, *told, lowered.as_text()])).hexdigest()


def _module_of(lowered: Any) -> str:
    """Return the name with which JAX begins that of the file for a lowered function."""
    return str(lowered.compiler_ir().operation.attributes["sym_name"]).strip('"')


def _processor() -> str:
    """Return what this processor can do: code for one may not run on another."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
    return f"{platform.system()} {platform.machine()} {flags}"


def _digest(files: dict[str, bytes]) -> str:
    return hashlib.sha256(msgspec.msgpack.encode(sorted(files.items()))).hexdigest()


def _read(path: Path) -> dict[str, bytes]:
    """Return an entry's files; none where there is no whole entry."""
    try:
        entry = msgspec.msgpack.decode(path.read_bytes(), type=_Entry)
    except (OSError, msgspec.MsgspecError):
        return {}
    plain_names = all(Path(name).name == name for name in entry.files)
    return entry.files if plain_names and entry.sha256 == _digest(entry.files) else {}


def _write(path: Path, files: dict[str, bytes]) -> None:
    """Write an entry beside its place, and rename it there: readers see the old one, the new one, or none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        beside.write_bytes(msgspec.msgpack.encode(_Entry(_FORMAT, _digest(files), files)))
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


_SETTINGS = {
    "jax_enable_compilation_cache": True,
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
    "jax_persistent_cache_enable_xla_caches": None,  # or the folder's path would be a part of JAX's key
}


@contextlib.contextmanager
def _jax_cache_at(folder: str) -> Generator[None]:
    """Let JAX keep what it compiles in a folder, for a block."""
    jax = load_jax()
    own = importlib.import_module("jax.experimental.compilation_cache.compilation_cache")
    wanted = {**_SETTINGS, "jax_compilation_cache_dir": folder}
    before = {name: getattr(jax.config, name) for name in wanted}
    try:
        for name, value in wanted.items():
            jax.config.update(name, value)
        own.reset_cache()
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        own.reset_cache()
