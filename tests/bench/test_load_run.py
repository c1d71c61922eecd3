"""The shell against real loopback sockets: every kind of answer, and every kind of none."""

import asyncio
import errno
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
import pytest

from pulse_ai.bench import load
from pulse_ai.bench.load.link import Link

pytestmark = pytest.mark.process

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server(Protocol):
    port: int
    requests: list[bytes]
    connections: int

    async def start(self, answer: Callable[[int], Awaitable[bytes | None]]) -> None: ...


async def run(
    port: int, *, rate: str = "200", duration_s: float = 0.25, slo: str = "", **plan: float
) -> load.LoadReport:
    target = load.Target("127.0.0.1", port, "/api")
    rules = load.parse_slo(slo) if slo else ()
    planned = load.LoadPlan(
        steps=load.parse_rates(rate, duration_s=duration_s),
        within_s=load.latency_limit_s(rules),
        lag_bound_s=plan.pop("lag_bound_s", 1.0),
        **plan,  # pyright: ignore[reportArgumentType]
    )
    requests = load.encode_requests(target, method="POST", headers={}, bodies=[b'{"q":1}', b'{"q":2}'])
    return await load.run_load(planned, target, requests, rules=rules)


def outcomes(report: load.LoadReport) -> dict[str, int]:
    assert report.total is not None
    return {row.outcome: row.count for row in report.total.by_status}


async def test_every_planned_request_is_sent_once_with_the_bodies_in_turn(server: Server):
    async def answer(number: int) -> bytes:
        return OK

    await server.start(answer)
    report = await run(server.port, rate="200,400", duration_s=0.25, slo="p99<5s,errors<=0%")
    assert [(s.label, s.offered, s.good) for s in report.steps] == [("200", 50, 50), ("400", 100, 100)]
    assert report.passed
    bodies = [request[-1:] for request in (r.rstrip(b"}") for r in server.requests)]
    assert bodies.count(b"1") == bodies.count(b"2") == 75
    assert server.connections < 150  # they were used again


async def test_the_report_survives_json_and_is_drawn_as_text_and_html(server: Server):
    async def answer(number: int) -> bytes:
        return OK if number % 2 else b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"

    await server.start(answer)
    report = await run(server.port, rate="100,200", slo="p99<5s")
    assert msgspec.json.decode(msgspec.json.encode(report), type=load.LoadReport) == report
    assert "429" in load.to_text(report)
    page = load.to_html(report)
    assert page.count("<svg") == 5
    assert "429" in page


async def test_a_ramp_sends_more_and_more(server: Server):
    async def answer(number: int) -> bytes:
        return OK

    await server.start(answer)
    report = await run(server.port, rate="50..450", duration_s=0.8)
    assert [(step.label, step.offered, step.good) for step in report.steps] == [("50..450", 200, 200)]
    half = len(report.windows) // 2
    early, late = (
        sum(window.offered for window in part) for part in (report.windows[:half], report.windows[half:])
    )
    assert late > 1.5 * early


async def test_warm_up_is_sent_and_not_counted(server: Server):
    async def answer(number: int) -> bytes:
        return OK

    await server.start(answer)
    report = await run(server.port, rate="100", duration_s=0.2, warmup_s=0.2)
    assert report.total is not None
    assert (report.total.offered, len(server.requests)) == (20, 40)


ANSWERS = {
    "429": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    "503": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    "500": b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "close": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
    "until the end": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nwhatever",
    "early hints": b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize(
    ("kind", "good", "refused", "failed"),
    [
        ("429", 0, 20, 0),
        ("503", 0, 20, 0),
        ("500", 0, 0, 20),
        ("204", 20, 0, 0),
        ("chunked", 20, 0, 0),
        ("close", 20, 0, 0),
        ("until the end", 20, 0, 0),
        ("early hints", 20, 0, 0),
    ],
)
async def test_each_kind_of_answer_is_counted_as_what_it_is(
    server: Server, kind: str, good: int, refused: int, failed: int
):
    async def answer(number: int) -> bytes:
        return ANSWERS[kind]

    await server.start(answer)
    total = (await run(server.port, rate="200", duration_s=0.1)).total
    assert total is not None
    assert (total.answered, total.good, total.refused, total.failed) == (20, good, refused, failed)


class Answers:
    """Takes what a link tells, without a run behind it."""

    def __init__(self) -> None:
        self.came: list[tuple[int, bool]] = []
        self.lost = 0

    def link_opened(self, link: Link) -> None:
        pass

    def link_answered(self, link: Link, status: int, *, keep: bool) -> None:
        self.came.append((status, keep))

    def link_lost(self, link: Link) -> None:
        self.lost += 1


@pytest.mark.parametrize("hints", [b"", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"], ids=["", "hints"])
@pytest.mark.parametrize("cut_at", range(1, 50))
def test_an_answer_without_a_length_ends_with_the_connection_wherever_its_head_is_cut(
    hints: bytes, cut_at: int
):
    answers = Answers()
    link = Link(answers)
    whole = hints + b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nwhatever"
    link.data_received(whole[:cut_at])
    link.data_received(whole[cut_at:])
    link.connection_lost(None)
    assert (answers.came, answers.lost) == ([(200, False)], 1)


@pytest.mark.parametrize(
    "cut_short",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    ],
)
def test_an_answer_that_is_cut_short_is_none(cut_short: bytes):
    answers = Answers()
    link = Link(answers)
    link.data_received(cut_short)
    link.connection_lost(None)
    assert (answers.came, answers.lost) == ([], 1)


@pytest.mark.parametrize(
    ("good_first", "status", "passes"),
    [
        (0, b"422 Unprocessable Content", False),
        (1, b"422 Unprocessable Content", True),
        (0, b"429 Too Many", True),
    ],
    ids=str,
)
async def test_a_run_that_failed_throughout_has_asked_the_wrong_thing(
    server: Server, good_first: int, status: bytes, passes: bool
):
    async def answer(number: int) -> bytes:
        return OK if number < good_first else b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\n{}"

    await server.start(answer)
    report = await run(server.port, rate="200", duration_s=0.1)
    assert report.passed is passes
    assert ("none with a 2xx: see to the URL, --method and --body" in report.verdicts[0].text) is not passes


@pytest.mark.parametrize(
    "answer_bytes",
    [None, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: close\r\n\r\n{}", b"nonsense\r\n\r\n"],
)
async def test_a_connection_that_ends_before_the_answer_fails_the_run(
    server: Server, answer_bytes: bytes | None
):
    async def answer(number: int) -> bytes | None:
        return answer_bytes if number == 3 else OK

    await server.start(answer)
    report = await run(server.port, rate="200", duration_s=0.1, timeout_s=2.0)
    assert outcomes(report) == {"200": 19, "connection closed before the answer": 1}
    assert not report.passed
    assert "1 of 20" in report.verdicts[0].text


async def test_a_request_that_is_not_answered_in_time_is_given_up_and_its_connection_cut(server: Server):
    never = asyncio.Event()

    async def answer(number: int) -> bytes:
        if number == 0:
            await never.wait()
        return OK

    await server.start(answer)
    report = await run(server.port, rate="100", duration_s=0.1, timeout_s=0.2)
    assert outcomes(report) == {"200": 9, "no answer in time": 1}
    assert report.total is not None
    assert report.total.latency is not None
    assert report.total.latency.max_s >= 0.2
    never.set()


async def test_a_service_that_is_not_there_fails_the_run():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, not listening: nobody else can take it
        report = await run(held.getsockname()[1], rate="100", duration_s=0.1)
    assert outcomes(report) == {"could not connect": 10}
    assert report.total is not None
    assert (report.total.sent, report.passed) == (0, False)


async def test_no_more_connections_than_the_bound_are_opened(server: Server):
    together, most = 0, 0

    async def answer(number: int) -> bytes:
        nonlocal together, most
        together += 1
        most = max(most, together)
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        together -= 1
        return OK

    await server.start(answer)
    report = await run(server.port, rate="2000", duration_s=0.2, connections=3)
    assert report.passed
    assert server.connections <= 3
    assert most <= 3


async def test_a_closed_loop_keeps_every_connection_busy_and_stops_on_time(server: Server):
    async def answer(number: int) -> bytes:
        return OK

    await server.start(answer)
    report = await run(server.port, rate="max", duration_s=0.3, connections=4)
    assert server.connections == 4
    assert report.total is not None
    assert report.total.good > 50
    assert report.passed


async def test_a_stall_shows_in_p999_from_the_planned_time(server: Server):
    """The whole service stops for 0.3 s, as a collector or a swap would make it."""
    going = asyncio.Event()
    going.set()

    async def answer(number: int) -> bytes:
        if number == 100:
            going.clear()
            asyncio.get_running_loop().call_later(0.3, going.set)
        await going.wait()
        return OK

    await server.start(answer)
    report = await run(server.port, rate="200", duration_s=1.0, connections=100)
    assert report.total is not None
    assert report.total.latency is not None
    assert report.total.latency.p999_s > 0.28
    assert report.total.latency.p50_s < 0.2


async def test_a_generator_that_is_held_up_says_so(server: Server):
    async def answer(number: int) -> bytes:
        if number == 5:
            end_s = time.monotonic() + 0.1
            while time.monotonic() < end_s:  # holds the loop, and so the generator, which shares it
                pass
        return OK

    await server.start(answer)
    report = await run(server.port, rate="200", duration_s=0.25, lag_bound_s=0.03)
    assert report.generator.limited
    assert "the generator was the bottleneck" in report.generator.text


async def test_a_generator_without_a_file_left_does_not_blame_the_service(
    server: Server, monkeypatch: pytest.MonkeyPatch
):
    async def answer(number: int) -> bytes:
        return OK

    async def no_file(*_arguments: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    await server.start(answer)
    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", no_file, raising=True)
    report = await run(server.port, rate="200", duration_s=0.1)
    assert outcomes(report) == {"the generator had no socket left": 20}
    assert report.generator.limited
    assert "for 20 requests; raise the limit of open files" in report.generator.text


async def test_cancelling_a_run_closes_its_connections(server: Server):
    first = asyncio.Event()

    async def answer(number: int) -> bytes:
        first.set()
        return OK

    await server.start(answer)
    task = asyncio.create_task(run(server.port, rate="100", duration_s=60.0))
    await first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_there_must_be_something_to_send():
    plan = load.LoadPlan(steps=(load.Step(1.0, 1.0),))
    with pytest.raises(ValueError, match="nothing to send"):
        await load.run_load(plan, load.Target("127.0.0.1", 1, "/"), [])
