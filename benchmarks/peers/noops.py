"""The servers with a task that does nothing, for ``benchmarks.noop``."""

from collections.abc import Callable

from benchmarks.peers.servers import PEERS, Launch, Peer


def _script(name: str) -> Callable[[Launch], list[str]]:
    return lambda launch: [str(launch.programs / "python"), str(PEERS / name), str(launch.port)]


def _mosec(launch: Launch) -> list[str]:
    options = ("--address", "127.0.0.1", "--port", str(launch.port), "--log-level", "error")
    return [str(launch.programs / "python"), str(PEERS / "mosec_noop.py"), *options]


def _pulse(launch: Launch) -> list[str]:
    target = "noop=benchmarks.peers.pulse_noop:NoOp"
    return [
        str(launch.programs / "pulse"),
        *("serve", target, "--port", str(launch.port), "--queue-limit", "1024"),
    ]


def _bentoml(launch: Launch) -> list[str]:
    target = "benchmarks.peers.bentoml_noop:NoOp"
    where = ("--host", "127.0.0.1", "--port", str(launch.port))
    return [str(launch.programs / "bentoml"), "serve", target, *where]


_BATCHED = {"BATCH": "16"}
_ALL = (
    Peer("pulse", None, "pulse-ai", "/api/noop", _pulse, "batch up to 16, eager, one worker process"),
    Peer(
        "mosec", "mosec", "mosec", "/inference", _mosec, "one at a time, one worker process", {"BATCH": "1"}
    ),
    Peer("mosec batched", "mosec", "mosec", "/inference", _mosec, "batch up to 16, 1 ms wait", _BATCHED),
    Peer(
        "litserve",
        "litserve",
        "litserve",
        "/predict",
        _script("litserve_noop.py"),
        "batch up to 16, 1 ms, fast_queue",
    ),
    Peer(
        "fastapi",
        "fastapi",
        "fastapi",
        "/predict",
        _script("fastapi_noop.py"),
        "no batching, no worker process",
    ),
    Peer(
        "bentoml",
        "bentoml",
        "bentoml",
        "/predict",
        _bentoml,
        "adaptive batching up to 16",
        item='{"items": [{"q": %s}]}',
    ),
    Peer("ray serve", "ray", "ray", "/predict", _script("ray_noop.py"), "batch up to 16, 1 ms, one replica"),
)

NOOP = {peer.name: peer for peer in _ALL}
