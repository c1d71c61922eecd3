"""``pulse doctor``: what this machine has, and what Pulse will use of it."""

__all__ = ("doctor",)

import json as json_format
import os
import platform
import shutil
import socket
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.table import Table

from pulse_ai import __version__
from pulse_ai.core import PROTOCOL_VERSION, WebSettings, available_cores, cache_dir

_LIBRARIES = (
    "msgspec",
    "numpy",
    "uvicorn",
    "uvloop",
    "httptools",
    "onnxruntime",
    "onnx",
    "tokenizers",
    "huggingface-hub",
)
_EXTRAS = {
    "train": ("jax", "flax", "optax", "polars"),
    "tune": ("optuna",),
    "sklearn": ("sklearn", "skops", "skl2onnx", "narwhals"),
    "erlang": ("erlang",),
    "torch": ("torch", "transformers"),
    "bench": ("psutil",),
}
_INT8_FLAGS = ("avx_vnni", "avx512_vnni", "amx_int8", "asimddp")
_FEW_FILES = 4096


def doctor(
    json: Annotated[bool, typer.Option("--json", help="As JSON, for a script.")] = False,  # noqa: FBT002
) -> None:
    """Show what this machine has and what Pulse will use of it, and say what could be better."""
    facts = collect_facts()
    advice = advise(facts)
    if json:
        typer.echo(json_format.dumps({**facts, "advice": advice}, indent=2))
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), _shown(value))
    console = Console(highlight=False)
    console.print(table)
    for line in advice or ["nothing to mend"]:
        console.print(f"• {line}", markup=False)


def _shown(value: Any) -> str:
    """Write a fact for a person.

    Example:
        >>> _shown({"train": True, "tune": False}), _shown(["avx_vnni", "amx_int8"]), _shown([])
        ('train yes, tune no', 'avx_vnni, amx_int8', 'none')
    """
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(what)}" for key, what in cast("dict[str, Any]", value).items())
    if isinstance(value, list):
        return ", ".join(map(_shown, cast("list[Any]", value))) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def collect_facts() -> dict[str, Any]:
    """Return what there is, by name; plain values.

    Example:
        >>> collect_facts()["protocol"]
        1
    """
    from pulse_ai.web import files_allowed

    return {
        "pulse": __version__,
        "protocol": PROTOCOL_VERSION,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": available_cores(),
        "memory_gib": _memory_gib(),
        "int8_instructions": [flag for flag in _INT8_FLAGS if flag in _cpu_flags()],
        "gpu": "NVIDIA" if shutil.which("nvidia-smi") else "none",
        "open_files_limit": files_allowed(),
        "cache_dir": str(cache_dir()),
        "cache_dir_writable": _can_be_written(cache_dir()),
        "default_port_free": _is_free(WebSettings().port),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "extras": {name: all(find_spec(part) for part in parts) for name, parts in _EXTRAS.items()},
    }


def advise(facts: dict[str, Any]) -> list[str]:
    """Return what could be better, a sentence each.

    Args:
        facts: As ``collect_facts`` gives them.

    Example:
        >>> advise({**collect_facts(), "default_port_free": False})[0]
        'port 8000 is in use; start with --port'
    """
    checks = (
        (not facts["default_port_free"], f"port {WebSettings().port} is in use; start with --port"),
        (
            facts["open_files_limit"] < _FEW_FILES,
            "few files may be open; raise the hard limit with ulimit -Hn 65536",
        ),
        (
            not facts["cache_dir_writable"],
            "the cache folder must not be written: converted models are not kept; set PULSE_CACHE_DIR",
        ),
        (facts["cores"] < 2, "one core: the model and the server will take turns"),
        (not facts["int8_instructions"], "no int8 dot product instructions: fp32 may be as fast as int8"),
        (facts["libraries"]["uvloop"] == "missing", "uvloop is missing; the server will be slower"),
    )
    return [text for is_so, text in checks if is_so]


def _memory_gib() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def _cpu_flags() -> set[str]:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return set()
    lines = (line for line in info.read_text().splitlines() if line.startswith(("flags", "Features")))
    return set(next(lines, "").split())


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"


def _can_be_written(folder: Path) -> bool:
    """Tell whether files can be put into a folder that is there, or that can be made. Nothing is made."""
    nearest = next((one for one in (folder, *folder.parents) if os.path.lexists(one)), folder)
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def _is_free(port: int) -> bool:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
