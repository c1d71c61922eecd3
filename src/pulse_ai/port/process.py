"""One child process in a session of its own: started with one end of the wire, watched, killed, and reaped.

Its stdout and stderr are one pipe that is read into the log, so a program that prints can neither break the
wire nor block. The pipe is ours and not asyncio's: with a pipe of its own, asyncio does not report the end of a
process before the pipe is closed, and a program that the process started may hold it for ever.
"""

__all__ = ("WorkerProcess", "open_process")

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncGenerator, Sequence

from pulse_ai.port.deaths import limit_memory

_log = logging.getLogger("pulse_ai.worker")

_LINE_BYTES = 16 * 1024  # a longer line of output is logged in pieces
_READ_BYTES = 1024  # in one turn of the loop: each line is logged, and a worker may print many short ones
_LAST_WORDS_BYTES = 64 * 1024  # what a pipe holds
_CLOSING_S = 1.0  # how long the rest of the output, and the kernel, may take after SIGKILL


class WorkerProcess:
    """A running process and whatever it starts. Made by ``open_process`` only.

    Attributes:
        pid: Its process id, and the number of its process group.
    """

    def __init__(self, process: asyncio.subprocess.Process, output: "_OutputLog") -> None:
        self.pid = process.pid
        self._process = process
        self._output = output
        self._swept = False

    @property
    def running(self) -> bool:
        """Whether it was not yet seen to end."""
        return self._process.returncode is None

    def kill(self) -> None:
        """Send SIGKILL to the process and to whatever it started. Harmless once all of that has ended."""
        if self._swept:
            return  # the number may be somebody else's by now
        self._swept = not self.running
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Send a signal to the process alone. Harmless once it has ended."""
        if self.running:
            self._process.send_signal(number)

    def last_words(self) -> bytes:
        """Return the end of what it has written so far."""
        return self._output.last_words()

    async def wait(self) -> int:
        """Wait until it has ended and return its exit code; minus the signal's number where one ended it."""
        code = await self._process.wait()
        self.kill()  # a program that it started may hold the wire
        return code


@contextlib.asynccontextmanager
async def open_process(
    command: Sequence[str], *, wire_fd: int, more_fds: Sequence[int] = (), memory_bytes: int = 0
) -> AsyncGenerator[WorkerProcess]:
    """Run a process for as long as the block lasts; afterwards it and whatever it started are gone.

    Args:
        command: The program and its arguments; ``wire_fd`` and our own pid are added.
        wire_fd: The descriptor of the wire, which it inherits.
        more_fds: Further ones that it inherits. Besides there are stdin, stdout and stderr, and under uvloop those
            that this process has itself inherited from whoever started it.
        memory_bytes: Most private memory that it, and each process that it starts, may have; 0: no limit.

    Raises:
        OSError: The process could not be started.
    """
    reading, writing = os.pipe()
    with contextlib.closing(_OutputLog(reading)) as output:
        with open(writing, "wb", buffering=0) as theirs:  # noqa: ASYNC230, PTH123 - a pipe does not block here
            started = await asyncio.create_subprocess_exec(
                *command,
                str(wire_fd),
                str(os.getpid()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=theirs,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(wire_fd, *more_fds),
                start_new_session=True,
            )
        process = WorkerProcess(started, output)
        output.pid = process.pid
        try:
            if memory_bytes:
                limit_memory(process.pid, memory_bytes)
            yield process
        finally:
            await _end(process, output)


async def _end(process: WorkerProcess, output: "_OutputLog") -> None:
    """Kill what is left, and wait until it and the rest of its output are gone."""
    process.kill()
    try:
        async with asyncio.timeout(_CLOSING_S):
            await process.wait()
            await output.ended.wait()
    except TimeoutError:
        _log.warning("worker %d or its output is still there %g s after SIGKILL", process.pid, _CLOSING_S)


class _OutputLog:
    """Logs what comes through a pipe, line by line; holds at most one line's bound of it.

    Args:
        reading: The pipe, which is this object's to close.

    Attributes:
        pid: Whose output it is.
        ended: Set when nothing more will come.
    """

    def __init__(self, reading: int) -> None:
        self.pid = 0
        self.ended = asyncio.Event()
        self._reading = reading
        self._rest = b""
        self._last_words = b""
        self._loop = asyncio.get_running_loop()
        os.set_blocking(reading, False)
        self._loop.add_reader(reading, self._read)

    def close(self) -> None:
        """Log what is left, and close the pipe."""
        self._finish()
        os.close(self._reading)

    def last_words(self) -> bytes:
        """Read what has come, and return the end of it."""
        for _ in range(_LAST_WORDS_BYTES // _READ_BYTES):
            if not self.ended.is_set():
                self._read()
        return self._last_words

    def _read(self) -> None:
        try:
            chunk = os.read(self._reading, _READ_BYTES)
        except BlockingIOError:
            return
        if chunk:
            self._take(chunk)
        else:
            self._finish()

    def _take(self, chunk: bytes) -> None:
        """Log the whole lines, and a line that is too long in pieces."""
        self._last_words = (self._last_words + chunk)[-_LAST_WORDS_BYTES:]
        *lines, rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._log_pieces(line)
        whole_bytes = len(rest) - len(rest) % _LINE_BYTES
        self._log_pieces(rest[:whole_bytes])
        self._rest = rest[whole_bytes:]

    def _finish(self) -> None:
        self._loop.remove_reader(self._reading)
        self._log_pieces(self._rest)
        self._rest = b""
        self.ended.set()

    def _log_pieces(self, line: bytes) -> None:
        for start in range(0, len(line), _LINE_BYTES):
            piece = line[start : start + _LINE_BYTES]
            _log.info("[%d] %s", self.pid, piece.decode(errors="replace"))
