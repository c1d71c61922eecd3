"""The servers with the sentiment task: how each is started, and what its own docs promise.

How each is tuned is in its own file (``mosec_text.py`` and so on), with the pages that advise it.
"""

from collections.abc import Callable

from benchmarks.peers.servers import PEERS, Launch, Peer, Promises
from benchmarks.peers.workload import Settings

_NOT_BOUNDED = "no bound of its own"


def _script(name: str) -> Callable[[Launch], list[str]]:
    return lambda launch: [str(launch.programs / "python"), str(PEERS / name), str(launch.port)]


def _mosec(launch: Launch) -> list[str]:
    told = _told(launch)
    options = {
        "--address": "127.0.0.1",
        "--port": str(launch.port),
        "--log-level": "error",
        "--timeout": f"{told.limit_s * 1e3:.0f}",
        **({"--capacity": str(told.queue)} if told.queue else {}),
    }
    words = [word for pair in options.items() for word in pair]
    return [str(launch.programs / "python"), str(PEERS / "mosec_text.py"), *words]


def _bentoml(launch: Launch) -> list[str]:
    target = "benchmarks.peers.bentoml_text:Sentiment"
    where = ("--host", "127.0.0.1", "--port", str(launch.port))
    return [str(launch.programs / "bentoml"), "serve", target, *where]


def _pulse(target: str) -> Callable[[Launch], list[str]]:
    """Return what starts Pulse; the limit on its queue is the default, since it admits by deadline."""

    def arguments(launch: Launch) -> list[str]:
        told = _told(launch)
        options = ("--batch-size", str(told.batch_size), "--workers", str(told.workers))
        where = ("--host", "127.0.0.1", "--port", str(launch.port))
        model = target.format(model=told.checkpoint)
        return [str(launch.programs / "pulse"), "serve", f"text={model}", *options, *where]

    return arguments


def _told(launch: Launch) -> Settings:
    if launch.settings is None:
        raise ValueError("this server has to be told which model it serves")
    return launch.settings


_PULSE = Promises(
    full="429 with a computed Retry-After, by prediction",
    late="never reaches a worker; 504",
    death="its batch is run again on another worker",
    source="docs/guarantees.md",
)
_UVICORN = Promises(
    full=f"{_NOT_BOUNDED}; `limit_concurrency` is off",
    late="nothing",
    death="a new one is started; what it had is lost",
    source="FastAPI docs, Server Workers; uvicorn docs, Settings",
)

_ALL = (
    Peer(
        "Pulse",
        None,
        "pulse-ai",
        "/api/text",
        _pulse("{model}"),
        "eager batches up to 16, queue of 200, its own hub's model code",
        promises=_PULSE,
    ),
    Peer(
        "Pulse, peers' code",
        None,
        "pulse-ai",
        "/api/text",
        _pulse("benchmarks.peers.pulse_text:Sentiment"),
        "the same with the model code that the peers run",
        promises=_PULSE,
    ),
    Peer(
        "FastAPI",
        "fastapi",
        "fastapi",
        "/predict",
        _script("fastapi_text.py"),
        "naive: ONNX Runtime in a `def` handler, no batching",
        promises=_UVICORN,
    ),
    Peer(
        "FastAPI, torch",
        "torch",
        "fastapi",
        "/predict",
        _script("torch_text.py"),
        "naive: transformers' pipeline on torch fp32 in a `def` handler",
        promises=_UVICORN,
    ),
    Peer(
        "LitServe",
        "litserve",
        "litserve",
        "/predict",
        _script("litserve_text.py"),
        "batches up to 16, fast_queue, restart_workers, timeout at the time limit",
        promises=Promises(
            full=f"{_NOT_BOUNDED}; `track_requests` counts for code of one's own",
            late="504 for what is still queued",
            death="a new one is started (`restart_workers`); what it had fails",
            source="LitServe docs, API reference of LitServer",
        ),
    ),
    Peer(
        "BentoML",
        "bentoml",
        "bentoml",
        "/predict",
        _bentoml,
        "adaptive batches up to 16, max_latency_ms at the time limit, max_concurrency",
        item='{"texts": [%s]}',
        promises=Promises(
            full="429 above `max_concurrency`, 503 where `max_latency_ms` would be missed",
            late="504 after `timeout`",
            death="nothing is said",
            source="BentoML docs, Adaptive batching, Configurations",
        ),
    ),
    Peer(
        "Mosec",
        "mosec",
        "mosec",
        "/inference",
        _mosec,
        "batches up to 16, capacity, timeout at the time limit",
        promises=Promises(
            full="429 above `--capacity`",
            late="408 after `--timeout`",
            death="nothing is said",
            source="Mosec docs, README, Command line arguments",
        ),
    ),
    Peer(
        "Ray Serve",
        "ray",
        "ray",
        "/predict",
        _script("ray_text.py"),
        "batches up to 16, max_queued_requests, request_timeout_s at the time limit",
        environment={"RAY_USAGE_STATS_ENABLED": "0"},
        promises=Promises(
            full="429 above `max_queued_requests`, with a fixed Retry-After",
            late="408 after `request_timeout_s`",
            death="a new replica is started; requests that had begun fail",
            source="Ray docs, Serve: configure deployments, HTTP, fault tolerance",
        ),
    ),
)

TEXT = {peer.name: peer for peer in _ALL}
