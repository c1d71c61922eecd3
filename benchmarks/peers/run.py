"""Install, start and stop the servers that are compared, each in a venv of its own under ``.venvs/``."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).resolve().parent
_START_S = 120.0
_POLL_S = 0.02
_STOP_S = 15.0


@dataclass(frozen=True)
class Peer:
    """A server with one task.

    Attributes:
        name: Shown in the results.
        venv: Name of its venv under ``.venvs/`` and of its ``requirements-*.txt``; None for Pulse's own.
        path: Where it takes the task's items.
        arguments: From the venv's folder of programs and a port to the command that starts it.
        settings: Its tuning in a few words.
        environment: Added to the environment.
        body: One item, as it wants it.
    """

    name: str
    venv: str | None
    path: str
    arguments: Callable[[Path, int], list[str]]
    settings: str
    environment: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b'{"q": "hello"}'


def _script(name: str) -> Callable[[Path, int], list[str]]:
    return lambda programs, port: [str(programs / "python"), str(PEERS / name), str(port)]


def _mosec(programs: Path, port: int) -> list[str]:
    script = str(PEERS / "mosec_noop.py")
    return [
        str(programs / "python"),
        script,
        "--address",
        "127.0.0.1",
        "--port",
        str(port),
        "--log-level",
        "error",
    ]


def _pulse(programs: Path, port: int) -> list[str]:
    target = "noop=benchmarks.peers.pulse_noop:NoOp"
    return [str(programs / "pulse"), "serve", target, "--port", str(port), "--queue-limit", "1024"]


def _bentoml(programs: Path, port: int) -> list[str]:
    target = "benchmarks.peers.bentoml_noop:NoOp"
    return [str(programs / "bentoml"), "serve", target, "--host", "127.0.0.1", "--port", str(port)]


NOOP = {
    peer.name: peer
    for peer in (
        Peer("pulse", None, "/api/noop", _pulse, "batch up to 16, eager, one worker process"),
        Peer("mosec", "mosec", "/inference", _mosec, "one at a time, one worker process", {"BATCH": "1"}),
        Peer("mosec batched", "mosec", "/inference", _mosec, "batch up to 16, 1 ms wait", {"BATCH": "16"}),
        Peer(
            "litserve",
            "litserve",
            "/predict",
            _script("litserve_noop.py"),
            "batch up to 16, 1 ms, fast_queue",
        ),
        Peer("fastapi", "fastapi", "/predict", _script("fastapi_noop.py"), "no batching, no worker process"),
        Peer(
            "bentoml",
            "bentoml",
            "/predict",
            _bentoml,
            "adaptive batching up to 16",
            body=b'{"items": [{"q": "hello"}]}',
        ),
        Peer("ray serve", "ray", "/predict", _script("ray_noop.py"), "batch up to 16, 1 ms, one replica"),
    )
}


def programs_of(peer: Peer) -> Path:
    """Return the folder of a peer's programs; its venv is made first where it is not there or is out of date."""
    if peer.venv is None:
        return Path(sys.executable).parent
    venv, wanted = ROOT / ".venvs" / peer.venv, PEERS / f"requirements-{peer.venv}.txt"
    done = venv / ".done"
    if not done.exists() or done.read_text("utf-8") != wanted.read_text("utf-8"):
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run(
            [str(venv / "bin" / "python"), "-m", "pip", "install", "-q", "-r", str(wanted)], check=True
        )
        done.write_text(wanted.read_text("utf-8"), "utf-8")
    return venv / "bin"


def version_of(peer: Peer) -> str:
    """Return the version that is installed."""
    name = {"ray": "ray", None: "pulse-ai"}.get(peer.venv, peer.venv)
    code = f"import importlib.metadata as m; print(m.version({name!r}))"
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
    """

    peer: Peer
    url: str
    process: subprocess.Popen[bytes]
    started_s: float

    def memory_bytes(self) -> int:
        """Return the memory of all of its processes, shared pages counted once for each."""
        import psutil

        main = psutil.Process(self.process.pid)
        return sum(process.memory_info().rss for process in [main, *main.children(recursive=True)])


@contextlib.contextmanager
def running(peer: Peer) -> Generator[Running]:
    """Start a server on a free port, wait until it answers, and stop it with all of its processes.

    Raises:
        RuntimeError: It ended, or did not answer with 200 in time; the text holds the end of its log.
    """
    programs, port = programs_of(peer), _free_port()
    log_path = ROOT / ".venvs" / f"{peer.name.replace(' ', '-')}.log"
    environment = {**os.environ, **peer.environment, "PYTHONPATH": str(ROOT)}  # noqa: TID251 - a child's own
    begin_s = time.monotonic()
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            peer.arguments(programs, port),
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_until_answering(peer, port, process, log_path)
        yield Running(peer, f"http://127.0.0.1:{port}{peer.path}", process, time.monotonic() - begin_s)
    finally:
        _stop(process)


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def _wait_until_answering(peer: Peer, port: int, process: subprocess.Popen[bytes], log_path: Path) -> None:
    end_s = time.monotonic() + _START_S
    while time.monotonic() < end_s:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_S)
            break
        if _answers(peer, port):
            return
    log = log_path.read_text("utf-8", errors="replace")[-2000:]
    raise RuntimeError(f"{peer.name} did not answer within {_START_S:g} s:\n{log}")


def _answers(peer: Peer, port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2.0)
    try:
        connection.request("POST", peer.path, peer.body, {"Content-Type": "application/json"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the whole group: ask, wait, then make sure that nothing of it is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
