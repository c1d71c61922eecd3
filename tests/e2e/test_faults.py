"""Workers that die, floods, and the end of the service, with real processes."""

import asyncio
import os
import signal
from pathlib import Path

import httpx
import psutil
import pytest
from tests.e2e.service import Running, kept_open, open_service, until_metric

pytestmark = pytest.mark.process


async def test_a_worker_killed_while_requests_come_is_replaced_and_nothing_is_unanswered(
    project: Path,
) -> None:
    async with open_service("tasks:Shout", "--deadline-ms", "20000", cwd=project) as service:
        statuses: list[int] = []

        async def keep_asking() -> None:
            for number in range(40):
                answered = await service.post("/api/shout", f"q{number}")
                statuses.append(answered.status_code)
                assert answered.status_code in {200, 503}
                if answered.status_code == 200:
                    assert answered.json() == f"Q{number}"
                else:
                    assert int(answered.headers["retry-after"]) >= 1

        async def keep_killing() -> None:
            for _ in range(3):
                (worker,) = service.workers
                os.kill(worker, signal.SIGKILL)
                await until_other_worker(service, worker)

        await asyncio.gather(keep_killing(), *(keep_asking() for _ in range(8)))
        assert len(statuses) == 320
        assert (await service.post("/api/shout", "after")).json() == "AFTER"
        text = (await service.get("/metrics")).text
        assert 'pulse_lost_requests_total{model="shout"} 0.0' in text
        assert 'pulse_worker_restarts_total{model="shout"} 3.0' in text


async def until_other_worker(service: Running, worker: int) -> None:
    """Ask until another worker can serve."""
    async with asyncio.timeout(25):
        while True:
            ready = (await service.get("/readyz")).status_code == 200
            if ready and service.workers and worker not in service.workers:
                return


async def test_an_input_that_kills_is_found_and_its_mates_are_answered(project: Path) -> None:
    async with open_service("tasks:Killer", "--deadline-ms", "25000", cwd=project) as service:
        items = ["a", "b", "die", "c", "d"]
        answered = (await service.post("/api/killer/batch", items)).json()["results"]
        assert [result["status"] for result in answered] == [200, 200, 500, 200, 200]
        assert answered[2]["error"]["code"] == "poisoned_input"
        again = await service.post("/api/killer", "die")
        assert (again.status_code, again.json()["code"]) in {(500, "poisoned_input"), (503, "not_ready")}


async def test_a_thousand_at_once_to_a_queue_of_200_are_answered_or_refused(project: Path) -> None:
    options = ("--queue-limit", "200", "--deadline-ms", "25000")
    async with open_service("tasks:Gated", *options, cwd=project) as service:
        asked = [asyncio.create_task(service.post_alone("/api/gated", str(number))) for number in range(1000)]
        await until_metric(service, "pulse_queue_items", 200)
        async with kept_open(project / "gate"):
            answers = await asyncio.gather(*asked)
        statuses = [status for status, _, _ in answers]
        assert set(statuses) == {200, 429}
        assert statuses.count(200) >= 200
        for number, (status, headers, value) in enumerate(answers):
            if status == 200:
                assert value == str(number)
            else:
                assert value["code"] == "overloaded"
                assert int(headers["retry-after"]) >= 1


async def test_sigterm_flips_readiness_finishes_what_was_accepted_and_ends_with_0(project: Path) -> None:
    async with open_service(
        "tasks:Gated", "--deadline-ms", "25000", "--grace-s", "20", cwd=project
    ) as service:
        accepted = asyncio.create_task(service.post("/api/gated", "accepted"))
        await until_metric(service, "pulse_running_items", 1)
        service.signal(signal.SIGTERM)
        readyz = await until_draining(service)
        assert readyz.json()["code"] == "draining"
        assert "retry-after" in readyz.headers
        late = await service.post("/api/gated", "late")
        assert (late.status_code, late.json()["code"]) == (503, "draining")
        assert (await service.get("/healthz")).status_code == 200
        service.signal(signal.SIGTERM)  # process managers send it twice
        (project / "gate").write_text("")
        assert (await accepted).json() == "accepted"
        assert await service.wait_exit() == 0
        assert "Traceback" not in service.log


async def until_draining(service: Running) -> httpx.Response:
    async with asyncio.timeout(25):
        while (readyz := await service.get("/readyz")).status_code == 200:
            pass
        return readyz


async def test_what_is_not_done_within_the_grace_time_is_answered_too(project: Path) -> None:
    async with open_service(
        "tasks:Gated", "--deadline-ms", "25000", "--grace-s", "0.2", cwd=project
    ) as service:
        running = asyncio.create_task(service.post("/api/gated", "running"))
        await until_metric(service, "pulse_running_items", 1)
        waiting = asyncio.create_task(service.post("/api/gated", "waiting"))
        await until_metric(service, "pulse_queue_items", 1)
        service.signal(signal.SIGTERM)
        for answer in await asyncio.gather(running, waiting):
            assert (answer.status_code, answer.json()["code"]) == (503, "draining")
        assert await service.wait_exit() == 0


async def test_half_a_body_does_not_hold_up_the_end(project: Path) -> None:
    async with open_service("tasks:Shout", "--grace-s", "20", cwd=project) as service:
        reader, writer = await service.connect()
        writer.write(b"POST /api/shout HTTP/1.1\r\ncontent-length: 100\r\n\r\n" + b'"half')
        writer_of_a_head = (await service.connect())[1]
        writer_of_a_head.write(b"GET /hea")
        await writer.drain()
        await writer_of_a_head.drain()
        assert (await service.get("/healthz")).status_code == 200
        async with asyncio.timeout(8):
            service.signal(signal.SIGTERM)
            assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
            assert await service.wait_exit() == 0
        assert "Traceback" not in service.log
        for each in (writer, writer_of_a_head):
            each.close()


async def test_a_second_ctrl_c_answers_the_rest_at_once(project: Path) -> None:
    async with open_service(
        "tasks:Gated", "--deadline-ms", "25000", "--grace-s", "60", cwd=project
    ) as service:
        accepted = asyncio.create_task(service.post("/api/gated", "accepted"))
        await until_metric(service, "pulse_running_items", 1)
        service.signal(signal.SIGINT)
        await until_draining(service)
        async with asyncio.timeout(10):
            service.signal(signal.SIGINT)
            answer = await accepted
            assert (answer.status_code, answer.json()["code"]) == (503, "draining")
            assert await service.wait_exit() == 130
        assert "Traceback" not in service.log
        assert service.log.splitlines()[-1].startswith("pulse: stopped before")


async def test_ctrl_c_while_it_loads_ends_it(project: Path) -> None:
    async with open_service("tasks:LoadsForEver", cwd=project, ready=False) as service:
        service.signal(signal.SIGINT)
        assert await service.wait_exit() == 0
        assert "Traceback" not in service.log


async def test_workers_end_with_their_parent(project: Path) -> None:
    async with open_service("tasks:Shout", cwd=project) as service:
        workers = [psutil.Process(worker) for worker in service.workers]
        service.signal(signal.SIGKILL)
        await service.process.wait()
        gone, _ = await asyncio.to_thread(psutil.wait_procs, workers, timeout=10)
        assert gone
