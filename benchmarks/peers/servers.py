"""Install, start and stop the servers that are compared, each in a venv of its own under ``.venvs/``."""

import contextlib
import dataclasses
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.peers.workload import SETTINGS, Settings

if TYPE_CHECKING:
    import psutil

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).resolve().parent
_START_S = 120.0
_POLL_S = 0.02
_STOP_S = 10.0


class Launch(NamedTuple):
    """What a server's command line is made from: its programs, its port, and what it is told of the model."""

    programs: Path
    port: int
    settings: Settings | None


@dataclass(frozen=True)
class Promises:
    """What a server's own docs say that it does when things go wrong; one short text each.

    Attributes:
        full: When more comes than it carries.
        late: When a request takes too long.
        death: When a worker process dies.
        source: Where that is written.
    """

    full: str
    late: str
    death: str
    source: str


@dataclass(frozen=True)
class Peer:
    """A server with one task.

    Attributes:
        name: Shown in the results.
        venv: Name of its venv under ``.venvs/`` and of its ``requirements-*.txt``; None for Pulse's own.
        package: The distribution whose version is shown.
        path: Where it takes the task's items.
        arguments: The command that starts it.
        settings: Its tuning in a few words.
        environment: Added to the environment.
        item: One item as it wants it, with ``%s`` for the text as a JSON string.
        wait_ms: How long it waits for a batch, where it has such an option.
        promises: What its docs say; None where it is not asked for.
    """

    name: str
    venv: str | None
    package: str
    path: str
    arguments: Callable[[Launch], list[str]]
    settings: str
    environment: dict[str, str] = field(default_factory=dict[str, str])
    item: str = '{"q": %s}'
    wait_ms: float = 1.0
    promises: Promises | None = None

    def body(self, text: str = "hello") -> bytes:
        """Return a request's body."""
        return (self.item % json.dumps(text)).encode()


def programs_of(peer: Peer) -> Path:
    """Return the folder of a peer's programs; its venv is made first where it is not there or is out of date."""
    if peer.venv is None:
        return Path(sys.executable).parent
    venv, wanted = ROOT / ".venvs" / peer.venv, PEERS / f"requirements-{peer.venv}.txt"
    done = venv / ".done"
    if not done.exists() or done.read_text("utf-8") != wanted.read_text("utf-8"):
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        install = [str(venv / "bin" / "python"), "-m", "pip", "install", "-q", "-r", str(wanted)]
        subprocess.run(install, check=True, cwd=PEERS)
        done.write_text(wanted.read_text("utf-8"), "utf-8")
    return venv / "bin"


def version_of(peer: Peer) -> str:
    """Return the version that is installed."""
    code = f"import importlib.metadata as m; print(m.version({peer.package!r}))"
    return subprocess.run(
        [str(programs_of(peer) / "python"), "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


@dataclass(frozen=True)
class Running:
    """A server that answers.

    Attributes:
        peer: Which.
        url: Where it takes the task's items.
        process: Its first process, the leader of a group of its own.
        started_s: Seconds from its start to its first 200.
        settings: What it was told; None for the no-op.
    """

    peer: Peer
    url: str
    process: subprocess.Popen[bytes]
    started_s: float
    settings: Settings | None = None

    def memory_bytes(self) -> int:
        """Return the memory of all of its processes, shared pages counted once for each."""
        return sum(process.memory_info().rss for process in tree_of(self.process.pid))

    def workers(self) -> list[int]:
        """Return the process ids of its workers that live: those that said so, else the first one's children."""
        told = Path(self.settings.pids).iterdir() if self.settings else iter(())
        alive = {process.pid for process in tree_of(self.process.pid)}
        pids = sorted({int(file.name) for file in told} & alive)
        return pids or sorted(process.pid for process in tree_of(self.process.pid)[1:])


def tree_of(pid: int) -> list["psutil.Process"]:
    """Return a process and all that it started, as far as they still live."""
    import psutil

    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


@contextlib.contextmanager
def running(peer: Peer, settings: Settings | None = None) -> Generator[Running]:
    """Start a server on a free port, wait until it answers, and stop it with all of its processes.

    Args:
        peer: Which.
        settings: What it is told of the model; None for the no-op.

    Raises:
        RuntimeError: It ended, or did not answer with 200 in time; the text holds the end of its log.
    """
    programs, port = programs_of(peer), _free_port()
    log_path = ROOT / ".venvs" / f"{peer.name.replace(' ', '-')}.log"
    log_path.parent.mkdir(exist_ok=True)
    environment = {**os.environ, **peer.environment, "PYTHONPATH": str(ROOT)}  # noqa: TID251 - a child's own
    if settings:
        environment[SETTINGS] = json.dumps(dataclasses.asdict(settings))
    begin_s = time.monotonic()
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            peer.arguments(Launch(programs, port, settings)),
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_until_answering(peer, port, process, log_path)
        url = f"http://127.0.0.1:{port}{peer.path}"
        yield Running(peer, url, process, time.monotonic() - begin_s, settings)
    finally:
        _stop(process)


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def _wait_until_answering(peer: Peer, port: int, process: subprocess.Popen[bytes], log_path: Path) -> None:
    what, end_s = f"did not answer within {_START_S:g} s", time.monotonic() + _START_S
    while time.monotonic() < end_s:
        with contextlib.suppress(subprocess.TimeoutExpired):
            what = f"ended with {process.wait(_POLL_S)} before it answered"
            break
        if ask(port, peer.path, peer.body())[0] == 200:
            return
    log = log_path.read_text("utf-8", errors="replace")[-2000:]
    raise RuntimeError(f"{peer.name} {what}:\n{log}")


def ask(port: int, path: str, body: bytes, *, timeout_s: float = 2.0) -> tuple[int, bytes]:
    """Post one body over a connection of its own; return the status, 0 where no answer came, and the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server: ask, wait, then make sure that nothing that it started is left."""
    import psutil

    family = tree_of(process.pid)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for left in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            left.kill()
    process.wait()
