"""What a measurement was taken on: facts that decide figures, and none that name a person or a place."""

__all__ = ("Machine", "this_machine")

import os
import platform
from pathlib import Path

import msgspec

import pulse_ai
from pulse_ai.core import available_cores


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The machine and the versions behind a figure.

    Attributes:
        processor: The processor's name, or its architecture where the system does not tell.
        cores: Cores that this process may use.
        memory_bytes: Memory of the machine; 0 where the system does not tell.
        system: Operating system and release.
        python: Implementation and version.
        pulse: Version of this package.
    """

    processor: str
    cores: int
    memory_bytes: int
    system: str
    python: str
    pulse: str

    def line(self) -> str:
        """Return the facts in one line."""
        memory = f"{self.memory_bytes / 2**30:.0f} GiB, " if self.memory_bytes else ""
        return (
            f"{self.processor}, {self.cores} core(s), {memory}{self.system}, {self.python}, "
            f"pulse {self.pulse}"
        )


def this_machine() -> Machine:
    """Return the facts of this machine.

    Example:
        >>> this_machine().cores >= 1
        True
    """
    return Machine(
        processor=_processor(),
        cores=available_cores(),
        memory_bytes=_memory_bytes(),
        system=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        pulse=pulse_ai.__version__,
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0
