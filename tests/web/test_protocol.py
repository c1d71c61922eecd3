"""Bytes in, bytes out: order, closing, bounds and flow control of one connection, without a socket."""

import asyncio
import inspect
import logging
from typing import Any

import pytest
import uvicorn
from tests.web.kit import until
from uvicorn.server import ServerState

from pulse_ai.web.heads import KnownHeads
from pulse_ai.web.protocol import MAX_HEAD_BYTES, MAX_PIPELINED, OneWriteProtocol

GET = b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST /0 HTTP/1.1\r\ncontent-length: %d\r\n\r\n"
CHUNKED = b"POST /0 HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"


_NO_LANES: dict[str, Any] = {"lanes": {}} if "lanes" in inspect.signature(OneWriteProtocol).parameters else {}


class FakeTransport(asyncio.Transport):
    """Writes down what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closing = False
        self.aborted = False
        self.reading = True
        self.unread_bytes = 0

    def write(self, data: Any) -> None:
        assert not self.closing
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return self.unread_bytes


class Line:
    """One connection to an application that answers when it is told to."""

    def __init__(self, *, body: bytes = b"done", reads_body: bool = True) -> None:
        self.transport = FakeTransport()
        self.told = asyncio.Event()
        self.began: list[str] = []
        self.bodies: list[bytes] = []
        self._body = body
        self._reads_body = reads_body
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            log_config=None,
            log_level="error",
            lifespan="off",
            ws="none",
            proxy_headers=False,
        )
        config.load()
        self.protocol = OneWriteProtocol(
            config=config,
            server_state=ServerState(),
            app_state={},
            max_body_bytes=1000,
            known_heads=KnownHeads(),
            **_NO_LANES,
        )
        self.protocol.connection_made(self.transport)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.began.append(scope["path"])
        body = b""
        while self._reads_body and (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        self.bodies.append(body)
        await self.told.wait()
        headers = [(b"content-length", b"%d" % len(self._body)), (b"x-path", scope["path"].encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})

    @property
    def sent(self) -> bytes:
        return b"".join(self.transport.writes)

    def end(self) -> None:
        self.told.set()
        self.protocol.connection_lost(None)


@pytest.fixture
async def line() -> Any:
    made = Line()
    yield made
    made.end()
    await until(lambda: not made.protocol.tasks)


async def test_head_and_body_are_one_write(line: Line) -> None:
    line.told.set()
    line.protocol.data_received(GET % 1)
    await until(lambda: line.transport.writes)
    (answer,) = line.transport.writes
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\ndone")


async def test_pipelined_requests_are_answered_in_order(line: Line) -> None:
    line.protocol.data_received(b"".join(GET % number for number in range(5)))
    await until(lambda: line.began)
    assert line.began == ["/0"]
    line.told.set()
    await until(lambda: line.sent.count(b"done") == 5)
    assert [part.split(b"\r\n")[0] for part in line.sent.split(b"x-path: /")[1:]] == [
        b"0",
        b"1",
        b"2",
        b"3",
        b"4",
    ]


async def test_closing_sends_what_was_written_before(line: Line) -> None:
    line.told.set()
    line.protocol.data_received(b"GET /1 HTTP/1.1\r\nconnection: close\r\n\r\n")
    await until(lambda: line.transport.closing)
    assert line.sent.endswith(b"done")
    assert b"connection: close" in line.sent


async def test_a_large_answer_arrives_whole() -> None:
    large = bytes(range(256)) * 20_000
    line = Line(body=large)
    line.told.set()
    line.protocol.data_received(GET % 1)
    await until(lambda: line.transport.writes)
    assert line.sent.partition(b"\r\n\r\n")[2] == large
    line.end()


async def test_nothing_is_written_after_the_connection_has_gone(line: Line) -> None:
    line.protocol.data_received(GET % 1)
    await until(lambda: line.began)
    line.transport.closing = True
    line.protocol.connection_lost(ConnectionResetError())
    line.told.set()
    await until(lambda: not line.protocol.tasks)
    assert line.transport.writes == []


async def test_a_client_that_does_not_read_holds_back_its_next_answer(line: Line) -> None:
    line.told.set()
    line.protocol.pause_writing()
    line.protocol.data_received(GET % 1)
    await until(lambda: line.bodies)
    await until(lambda: not line.transport.writes)
    line.protocol.resume_writing()
    await until(lambda: line.sent.endswith(b"done"))


async def test_reading_waits_while_requests_wait_for_those_before_them(line: Line) -> None:
    line.protocol.data_received(GET % 0 + GET % 1 + GET % 2)
    assert not line.transport.reading
    line.protocol.flow.resume_reading()  # whoever asks
    assert not line.transport.reading
    line.told.set()
    await until(lambda: line.sent.count(b"done") == 3)
    assert line.transport.reading


async def test_too_many_pipelined_requests_are_cut_off_there(line: Line) -> None:
    line.told.set()
    line.protocol.data_received(b"".join(GET % number for number in range(MAX_PIPELINED + 1000)))
    await until(lambda: line.transport.closing)
    assert len(line.began) == MAX_PIPELINED + 1
    assert line.sent.count(b"done") == MAX_PIPELINED + 1


@pytest.mark.parametrize(
    "garbage",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        CHUNKED + b"zz\r\n",
    ],
)
async def test_what_is_not_http_is_a_bad_request_and_the_end(
    line: Line, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "uvicorn.access"):
        line.protocol.data_received(garbage)
    assert line.sent.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in line.sent
    assert b'"code":"bad_request"' in line.sent
    assert line.transport.closing
    assert not caplog.records


async def test_garbage_after_a_request_is_never_taken_for_its_answer(line: Line) -> None:
    line.protocol.data_received(GET % 1 + b"GARBAGE\r\n\r\n")
    line.protocol.data_received(b"MORE\r\n\r\n")
    await until(lambda: line.began)
    line.told.set()
    await until(lambda: line.transport.closing)
    assert line.sent.startswith(b"HTTP/1.1 200 OK")
    assert line.sent.count(b"HTTP/1.1") == 1


async def test_garbage_in_the_body_of_a_waiting_request_ends_the_connection(line: Line) -> None:
    line.protocol.data_received(GET % 1 + CHUNKED + b"zz\r\n")
    assert line.transport.closing
    assert line.sent == b""


@pytest.mark.parametrize(
    "head", [b"GET /", b"GET / HTTP/1.1\r\nx: ", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 10]
)
async def test_a_head_without_end_is_too_large(line: Line, head: bytes) -> None:
    line.protocol.data_received(head)
    for _ in range(1 + MAX_HEAD_BYTES // 1000):
        assert not line.transport.closing
        line.protocol.data_received(b"y" * 1000)
    assert line.sent.startswith(b"HTTP/1.1 431 ")
    assert b'"code":"head_too_large"' in line.sent
    assert line.transport.closing


async def test_a_long_body_in_small_reads_is_no_long_head(line: Line) -> None:
    line.protocol.data_received(POST % (MAX_HEAD_BYTES + 4096))
    for _ in range(MAX_HEAD_BYTES // 1024 + 4):
        line.protocol.data_received(b"y" * 1024)
    line.told.set()
    await until(lambda: line.sent.endswith(b"done"))
    assert len(line.bodies[0]) == MAX_HEAD_BYTES + 4096


async def test_trailers_without_end_end_the_connection(line: Line) -> None:
    line.protocol.data_received(CHUNKED + b"0\r\n")
    for _ in range(1000):
        line.protocol.data_received(b"a: " + b"b" * 200 + b"\r\n")
        if line.transport.closing:
            break
    assert line.transport.closing


async def test_a_body_that_nobody_reads_ends_with_its_connection() -> None:
    line = Line(reads_body=False)
    line.told.set()
    line.protocol.data_received(CHUNKED)
    await until(lambda: line.sent.endswith(b"done"))
    for _ in range(100):
        line.protocol.data_received(b"400\r\n" + b"x" * 1024 + b"\r\n")
    assert line.transport.closing
    line.end()


async def test_an_offer_to_upgrade_is_passed_over(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    line.told.set()
    line.protocol.data_received(b"GET /1 HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
    await until(lambda: line.sent.endswith(b"done"))
    assert line.sent.startswith(b"HTTP/1.1 200 OK")
    assert not caplog.records


async def test_a_client_that_asks_first_is_told_to_go_on(line: Line) -> None:
    line.protocol.data_received(b"POST /1 HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
    await until(lambda: line.transport.writes)
    assert line.sent == b"HTTP/1.1 100 Continue\r\n\r\n"
    line.told.set()
    line.protocol.data_received(b"ok")
    await until(lambda: line.sent.endswith(b"done"))


@pytest.mark.parametrize("first", [b"", b"GET / HT"])
async def test_a_head_that_never_ends_is_closed_at_the_second_look(line: Line, first: bytes) -> None:
    if first:
        line.protocol.data_received(first)
    line.protocol.close_if_stuck()
    assert not line.transport.closing
    line.protocol.close_if_stuck()
    assert line.transport.aborted


async def test_a_request_under_way_is_never_stuck(line: Line) -> None:
    line.protocol.data_received(GET % 1)
    await until(lambda: line.began)
    for _ in range(3):
        line.protocol.close_if_stuck()
    assert not line.transport.closing


async def test_an_idle_connection_after_an_answer_has_its_own_time(line: Line) -> None:
    line.told.set()
    line.protocol.data_received(GET % 1)
    await until(lambda: line.sent.endswith(b"done"))
    for _ in range(3):
        line.protocol.close_if_stuck()
    assert not line.transport.closing


async def test_a_second_head_that_never_ends_is_closed_too(line: Line) -> None:
    line.told.set()
    line.protocol.data_received(GET % 1)
    await until(lambda: line.sent.endswith(b"done"))
    line.protocol.data_received(b"GET /")
    line.protocol.close_if_stuck()
    line.protocol.close_if_stuck()
    assert line.transport.aborted


async def test_an_answer_that_nobody_reads_is_given_up_but_a_slow_reader_is_not(line: Line) -> None:
    line.told.set()
    line.protocol.data_received(GET % 1)
    await until(lambda: line.sent.endswith(b"done"))
    for unread_bytes in (300, 200, 100):
        line.transport.unread_bytes = unread_bytes
        line.protocol.close_if_stuck()
        assert not line.transport.aborted
    line.protocol.close_if_stuck()
    assert line.transport.aborted
