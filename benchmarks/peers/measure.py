"""One visit to one server: saturate it, offer it up to ten times as much, kill its workers.

The server is started three times: open to everything, to learn what it carries; with bounds that are set from
that, for the loads; and with two workers, for the kills. A server that is told what it carries is at its best
under overload, so that is what the peers get. Pulse learns it by itself.
"""

import asyncio
import contextlib
import math
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from benchmarks.peers.models import BATCH_SIZE, Model
from benchmarks.peers.results import Death, Rung, Sizes, Visit
from benchmarks.peers.servers import Peer, Running, ask, running, version_of
from pulse_ai.bench import load

_LISTEN_S = 1.0  # how long it is listened whether the machine is quiet
_OPEN_S = 60.0  # the time limit while capacity is found
_PATIENCE_S = 10.0  # how long the generator waits for an answer meanwhile
_SATURATE = 64  # connections in a closed loop: four batches' worth
_HELD = (
    0.5  # of what a server carries within the time limit, its queue may hold: batches under way come on top
)
_SETTLE_S = 3.0  # how long a server may take to come to rest after a load
_BACK_S = 15.0  # the same after workers were killed
_KILLS = (1.0, 2.0)  # in units of the length of a load
_LONG = 4.0  # length of the trace, in the same unit
_LOST_S = 5.0  # when a request counts as lost while workers are killed
_BOTH_S, _LOOK_S = 15.0, 0.1  # how long the second worker may take, and how often it is looked for
_SAME = 0.1  # how far a score may be from the hub's: int8 rounds by what else is in the batch

Tell = Callable[[str], None]


def visit(peer: Peer, model: Model, sizes: Sizes, *, number: int, deaths: bool, tell: Tell) -> Visit:
    """Measure one server once; what goes wrong with it is part of the result.

    Args:
        peer: Which.
        model: What it serves.
        sizes: How much is measured.
        number: The round.
        deaths: Whether its workers are killed too.
        tell: Told what is being measured.
    """
    found = Visit(peer=peer.name, round=number, version=version_of(peer), busy_before=_busy())
    try:
        found = _saturate(peer, model, sizes, found, tell)
        found = _climb(peer, model, sizes, found, tell)
        return _kill(peer, model, sizes, found, tell) if deaths else found
    except RuntimeError as error:
        tell(str(error))
        return msgspec.structs.replace(found, failed=str(error).splitlines()[0])


def _busy() -> float:
    """Return the share of the processors' time that is used while nothing of ours runs."""
    import psutil

    return psutil.cpu_percent(interval=_LISTEN_S) / 100.0


@contextlib.contextmanager
def _served(
    peer: Peer, model: Model, *, workers: int = 1, queue: int = 0, limit_s: float = _OPEN_S
) -> Generator[Running]:
    with tempfile.TemporaryDirectory() as folder:
        settings = model.settings(
            pids=Path(folder), workers=workers, wait_ms=peer.wait_ms, queue=queue, limit_s=limit_s
        )
        with running(peer, settings) as server:
            yield server


def _saturate(peer: Peer, model: Model, sizes: Sizes, found: Visit, tell: Tell) -> Visit:
    """Find what the server carries, and whether it answers rightly."""
    tell("saturating")
    with _served(peer, model) as server:
        agrees = all(
            abs(_first_score(server, model, sentence) - expected) <= _SAME
            for sentence, expected in zip(model.sentences, model.expected, strict=False)
        )
        step = load.Step(math.inf, sizes.seconds)
        plan = load.LoadPlan(steps=(step,), warmup_s=1.0, connections=_SATURATE, timeout_s=_PATIENCE_S)
        section = _drive(server, model, plan, limit_s=_OPEN_S).total
        if section is None or section.good == 0:
            raise RuntimeError(f"{peer.name} gave no answer in a closed loop")
        tell(f"carries {section.good_per_s:,.0f}/s")
        return msgspec.structs.replace(
            found,
            agrees=agrees,
            capacity_per_s=section.good_per_s,
            queue=max(BATCH_SIZE, round(_HELD * sizes.limit_s * section.good_per_s)),
            memory_bytes=server.memory_bytes(),
            starts_s=(server.started_s,),
        )


def _first_score(server: Running, model: Model, sentence: str) -> float:
    """Return the first label's score, out of any server's answer; NaN where there is none."""
    where = urlsplit(server.url)
    status, said = ask(where.port or 80, where.path, server.peer.body(sentence), timeout_s=10.0)
    if status != 200:
        return math.nan
    answer = msgspec.json.decode(said)
    answers = answer if isinstance(answer, list) else answer.get("predictions", [answer])
    best = answers[0]
    return best["score"] if best["label"] == model.labels[0] else 1.0 - best["score"]


def _drive(
    server: Running, model: Model, plan: load.LoadPlan, *, limit_s: float, kills_at_s: Sequence[float] = ()
) -> load.LoadReport:
    """Carry out a load, and kill workers meanwhile; ``kills_at_s`` may be none."""

    async def both() -> load.LoadReport:
        began_at_s = asyncio.get_running_loop().create_future()

        def watch(progress: load.Progress) -> None:
            if not began_at_s.done():
                began_at_s.set_result(time.monotonic() - progress.elapsed_s)

        async with _killing(server, kills_at_s, began_at_s):
            return await load.run_load(plan, target, requests, watch=watch)

    target = load.parse_target(server.url)
    headers = {"X-Request-Timeout-Ms": f"{limit_s * 1e3:g}"}
    bodies = [server.peer.body(sentence) for sentence in model.sentences]
    requests = load.encode_requests(target, method="POST", headers=headers, bodies=bodies)
    with asyncio.Runner(loop_factory=load.loop_factory()) as runner:
        return runner.run(both())


@contextlib.asynccontextmanager
async def _killing(
    server: Running, kills_at_s: Sequence[float], began_at_s: asyncio.Future[float]
) -> AsyncGenerator[None]:
    """Kill workers at instants that count from when the load began, and not from when it was asked for."""

    async def kill() -> None:
        began_s = await began_at_s
        for at_s in kills_at_s:
            await asyncio.sleep(max(0.0, began_s + at_s - time.monotonic()))
            pids = await asyncio.to_thread(server.workers)
            with contextlib.suppress(ProcessLookupError, IndexError):
                os.kill(pids[0], signal.SIGKILL)

    task = asyncio.create_task(kill())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _climb(peer: Peer, model: Model, sizes: Sizes, found: Visit, tell: Tell) -> Visit:
    """Offer each share of the capacity, rising; a server that does not come to rest is started anew."""
    rates = dict.fromkeys(min(share * found.capacity_per_s, sizes.most_rate) for share in sizes.shares)
    left = list(zip(sizes.shares, rates, strict=False))
    rungs: list[Rung] = []
    starts = list(found.starts_s)
    while left:
        with _served(peer, model, queue=found.queue, limit_s=sizes.limit_s) as server:
            starts.append(server.started_s)
            at_rest = True
            while left and at_rest:
                share, rate = left.pop(0)
                rung = _rung(server, model, sizes, share, rate)
                tell(f"{rate:,.0f}/s: {rung.section.good_per_s:,.0f}/s in time")
                rungs.append(rung)
                at_rest = rung.recovered_s is not None
    return msgspec.structs.replace(found, rungs=tuple(rungs), starts_s=tuple(starts))


def _rung(server: Running, model: Model, sizes: Sizes, share: float, rate: float) -> Rung:
    plan = load.LoadPlan(
        steps=(load.Step(rate, sizes.seconds),),
        shape="poisson",
        warmup_s=min(0.5, sizes.seconds / 2),
        connections=sizes.connections,
        timeout_s=sizes.give_up_s,
        within_s=sizes.within_s,
    )
    report = _drive(server, model, plan, limit_s=sizes.limit_s)
    if report.total is None:
        raise RuntimeError("the load was stopped before it began")
    return Rung(
        share=share,
        rate=rate,
        section=report.total,
        limited=report.generator.text if report.generator.limited else None,
        recovered_s=_wait_at_rest(server, model, sizes),
    )


def _wait_at_rest(server: Running, model: Model, sizes: Sizes, *, most_s: float = _SETTLE_S) -> float | None:
    """Return the seconds until a single request is answered in time; None where that takes too long."""
    where = urlsplit(server.url)
    began_s = time.monotonic()
    while (now_s := time.monotonic()) < began_s + _SETTLE_S:
        status, _ = ask(
            where.port or 80, where.path, server.peer.body(model.sentences[0]), timeout_s=_SETTLE_S
        )
        if status == 200 and time.monotonic() - now_s <= sizes.limit_s:
            return now_s - began_s
    return None


def _kill(peer: Peer, model: Model, sizes: Sizes, found: Visit, tell: Tell) -> Visit:
    """Kill a worker twice under load that the other one carries."""
    rate = min(sizes.kill_share * found.capacity_per_s, sizes.most_rate)
    kills_at_s = tuple(sizes.seconds * at for at in _KILLS)
    plan = load.LoadPlan(
        steps=(load.Step(rate, _LONG * sizes.seconds),),
        shape="poisson",
        connections=sizes.connections,
        timeout_s=_LOST_S,
        within_s=sizes.within_s,
    )
    with _served(peer, model, workers=2, queue=found.queue, limit_s=sizes.limit_s) as server:
        _wait_for_workers(server)
        report = _drive(server, model, plan, limit_s=sizes.limit_s, kills_at_s=kills_at_s)
        back_s = _wait_at_rest(server, model, sizes, most_s=_BACK_S)
    if report.total is None:
        raise RuntimeError("the trace was stopped before it began")
    tell(f"killed {len(kills_at_s)}: {report.total.good} of {report.total.offered} in time")
    death = Death(
        rate=rate,
        kills_at_s=kills_at_s,
        section=report.total,
        windows=report.windows,
        window_s=report.window_s,
        back_s=back_s,
    )
    return msgspec.structs.replace(found, death=death, starts_s=(*found.starts_s, server.started_s))


def _wait_for_workers(server: Running) -> None:
    """Wait until both workers have loaded: most servers answer when the first one has."""
    end_s = time.monotonic() + _BOTH_S
    while len(server.workers()) < 2 and time.monotonic() < end_s:
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.process.wait(_LOOK_S)
