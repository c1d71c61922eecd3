"""Tasks that do what a task should not, and workers that are killed and stopped, with real processes.

Each asks for the same (docs/guarantees.md): whoever was admitted is answered, each with the answer to its own
item (G1), the mates of a bad item too (G2, G5), a hung worker is replaced (G6), and nothing is lost.
"""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.service import Running, open_service

pytestmark = pytest.mark.process

HERE = Path(__file__).parent
OVERDUE_S = 0.7
OPTIONS = ("chaos_tasks:Chaos", "--deadline-ms", "25000", "--worker-memory-bytes", str(128 * 2**20))
IMPATIENT = (*OPTIONS, "--overdue-s", str(OVERDUE_S))
BATCH = 4
MOST_DEATHS = 3  # log2(4) + 1

KILLS = {
    "segfault": "crash",
    "overflow the stack": "crash",
    "abort": "crash",
    "os._exit": "exit",
    "sys.exit": "exit",
    "SIGKILL": "killed",
    "close every fd": "exit",
}
HANGS = (
    "SIGSTOP",
    "hang in C with the GIL",
    "hang in C without the GIL",
    "hang in a regex",
    "hang in Python",
)


async def metric(service: Running, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples that have these labels."""
    families = text_string_to_metric_families((await service.get("/metrics")).text)
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


async def post_with_mates(service: Running, deed: str, at: int) -> tuple[int, str]:
    """Post a batch with one bad item; return its status and code once its mates have been checked."""
    items = [f"mate {number}" for number in range(BATCH - 1)]
    items.insert(at, deed)
    results = (await service.post("/api/chaos/batch", items)).json()["results"]
    for number, result in enumerate(results):
        assert number == at or result == {"status": 200, "value": items[number]}
    return results[at]["status"], results[at].get("error", {}).get("code", "ok")


async def nothing_is_lost(service: Running) -> None:
    assert (await service.post("/api/chaos", "after")).json() == "after"
    assert await metric(service, "pulse_lost_requests_total") == 0


@pytest.mark.parametrize("deed", KILLS)
async def test_g5_an_item_that_kills_is_found_refused_and_remembered(deed: str) -> None:
    async with open_service(*OPTIONS, cwd=HERE) as service:
        at = random.Random(deed).randrange(BATCH)
        assert await post_with_mates(service, deed, at) == (500, "poisoned_input")
        await until_ready(service)
        deaths = await metric(service, "pulse_worker_deaths_total")
        assert 2 <= deaths <= MOST_DEATHS
        assert await metric(service, "pulse_worker_deaths_total", reason=KILLS[deed]) == deaths
        again = await service.post("/api/chaos", deed)
        assert (again.status_code, again.json()["code"]) == (500, "poisoned_input")
        await nothing_is_lost(service)
        assert await metric(service, "pulse_worker_deaths_total") == deaths


@pytest.mark.parametrize("deed", HANGS)
async def test_g6_an_item_that_hangs_is_found_and_its_mates_are_answered(deed: str) -> None:
    async with open_service(*IMPATIENT, cwd=HERE) as service:
        (hung,) = service.workers
        assert await post_with_mates(service, deed, BATCH - 1) == (500, "poisoned_input")
        assert hung not in service.workers
        await until_ready(service)
        deaths = await metric(service, "pulse_worker_deaths_total", reason="overdue")
        assert 2 <= deaths <= MOST_DEATHS
        assert await metric(service, "pulse_worker_deaths_total") == deaths
        await nothing_is_lost(service)


async def until_ready(service: Running) -> None:
    async with asyncio.timeout(25):
        while (await service.get("/readyz")).status_code != 200:
            pass


async def test_g2_an_item_that_allocates_without_end_fails_alone_and_no_worker_dies() -> None:
    async with open_service(*OPTIONS, cwd=HERE) as service:
        before = service.workers
        assert await post_with_mates(service, "allocate without end", 1) == (500, "model_error")
        assert service.workers == before
        assert await metric(service, "pulse_worker_deaths_total") == 0
        assert await metric(service, "pulse_task_counts_total", count="memory_errors") == 1
        await nothing_is_lost(service)


@pytest.mark.parametrize(
    ("deed", "status"), [("print", 200), ("fork", 200), ("close stdout and stderr", 200), ("raise", 500)]
)
async def test_g1_what_a_task_does_besides_changes_no_answer(deed: str, status: int) -> None:
    async with open_service(*OPTIONS, cwd=HERE) as service:
        assert (await post_with_mates(service, deed, 2))[0] == status
        assert await metric(service, "pulse_worker_deaths_total") == 0
        await nothing_is_lost(service)


async def test_g1_two_processes_that_answer_on_one_wire_mix_up_nothing() -> None:
    async with open_service(*OPTIONS, cwd=HERE) as service:
        assert (await service.post("/api/chaos", "fork and both go on")).status_code in {200, 500}
        answers = await asyncio.gather(*(service.post("/api/chaos", f"q{number}") for number in range(40)))
        for number, answer in enumerate(answers):
            assert (answer.status_code, answer.json()) == (200, f"q{number}") or answer.status_code == 503
        await until_ready(service)
        await nothing_is_lost(service)


async def test_g7_threads_that_will_not_end_do_not_hold_up_the_end() -> None:
    async with open_service("chaos_tasks:WontEnd", cwd=HERE) as service:
        assert (await service.post("/api/wontend", "hi")).json() == "hi"
        service.signal(signal.SIGTERM)
        async with asyncio.timeout(8):
            assert await service.wait_exit() == 0


async def offer(
    service: Running, *, rate: float, seconds: float, meanwhile: Callable[[], Awaitable[None]]
) -> list[int]:
    """Ask at a steady rate, whatever comes back, and do something meanwhile; return the statuses."""
    statuses: list[int] = []

    async def ask(number: int) -> None:
        answer = await service.post("/api/chaos", f"q{number}")
        statuses.append(answer.status_code)
        assert answer.status_code != 200 or answer.json() == f"q{number}"

    async with asyncio.TaskGroup() as group:
        acting = group.create_task(_run(meanwhile))
        began_s = asyncio.get_running_loop().time()
        for number in range(int(rate * seconds)):
            late_s = asyncio.get_running_loop().time() - began_s - number / rate
            await asyncio.sleep(max(0.0, -late_s))  # a steady rate is the load
            group.create_task(ask(number))
        acting.cancel()
    return statuses


async def _run(meanwhile: Callable[[], Awaitable[None]]) -> None:
    await meanwhile()


async def test_g5_with_a_random_worker_killed_every_second_every_request_is_answered() -> None:
    async with open_service(*OPTIONS, "--workers", "2", cwd=HERE) as service:
        chance = random.Random(3)

        async def kill() -> None:
            while True:
                await asyncio.sleep(1.0)  # a kill every second
                os.kill(chance.choice(service.workers), signal.SIGKILL)

        statuses = await offer(service, rate=60, seconds=4.5, meanwhile=kill)
        assert statuses == [200] * 270
        assert await metric(service, "pulse_worker_deaths_total", reason="killed") >= 3
        await nothing_is_lost(service)


async def test_g6_a_worker_that_is_stopped_under_load_is_replaced_and_nobody_waits_for_it() -> None:
    async with open_service(*IMPATIENT, "--workers", "2", cwd=HERE) as service:
        stopped = service.workers[0]

        async def stop() -> None:
            await asyncio.sleep(0.5)  # in the middle of the load
            os.kill(stopped, signal.SIGSTOP)

        statuses = await offer(service, rate=60, seconds=3.0, meanwhile=stop)
        assert statuses == [200] * 180
        assert stopped not in service.workers
        assert await metric(service, "pulse_worker_deaths_total", reason="overdue") == 1
        await nothing_is_lost(service)


async def test_g5_sighup_under_load_replaces_each_worker_and_refuses_nobody() -> None:
    async with open_service(*OPTIONS, "--workers", "2", cwd=HERE) as service:
        before = service.workers
        ready: list[bool] = []

        async def roll() -> None:
            service.signal(signal.SIGHUP)
            while True:
                ready.append((await service.get("/readyz")).json()["ready"])
                await asyncio.sleep(0.01)  # a probe now and then

        statuses = await offer(service, rate=60, seconds=3.0, meanwhile=roll)
        assert statuses == [200] * 180
        assert set(ready) == {True}
        assert not set(before) & set(service.workers)
        assert "rolling restart done" in service.log
        assert await metric(service, "pulse_worker_deaths_total") == 0
        await nothing_is_lost(service)
