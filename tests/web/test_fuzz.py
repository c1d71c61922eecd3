"""Whatever bytes come: no error escapes, and what goes back is whole HTTP answers, in order, or the end."""

import asyncio
import itertools
import re
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.web.kit import Service
from tests.web.test_lane import Line, post
from tests.web.test_protocol import FakeTransport

_ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n((?:[!-9;-~]+: [^\r\n]*\r\n)*)\r\n")
_LENGTH = re.compile(rb"content-length: (\d+)\r\n", re.IGNORECASE)
_QUIET_TURNS = 12

_PIECES = st.sampled_from(
    [
        *(
            b"GET / HTTP/1.1\r\n",
            b"POST /api/echo HTTP/1.1\r\n",
            b"PRI * HTTP/2.0\r\n",
            b"HEAD /readyz HTTP/1.0\r\n",
        ),
        *(b"content-length: 4\r\n", b"content-length: -1\r\n", b"Content-Length: 99999999999999999999\r\n"),
        *(b"transfer-encoding: chunked\r\n", b"expect: 100-continue\r\n", b"connection: close\r\n"),
        *(b"upgrade: websocket\r\nconnection: upgrade\r\n", b"content-type: application/json\r\n"),
        *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b": ", b"\x00", b"\xff\xfe", b"x: " + b"y" * 9000 + b"\r\n"),
        *(b"4\r\n", b'"hi"', b"0\r\n\r\n", b"ffffffffffffffffff\r\n", b"[" * 3000, b'{"a":'),
    ]
)
_NOISE = st.lists(st.one_of(_PIECES, st.binary(max_size=12)), max_size=10).map(b"".join)


def numbered(number: int) -> bytes:
    return post(b'"q%d"' % number)


def answers_in(sent: bytes) -> list[tuple[int, bytes]]:
    """Return status and body of each answer; fails where the bytes are anything else."""
    answers: list[tuple[int, bytes]] = []
    while sent:
        head = _ANSWER.match(sent)
        assert head, f"this is no answer: {sent[:200]!r}"
        length = _LENGTH.search(head[2])
        status = int(head[1])
        assert length or status < 200
        end = head.end() + (int(length[1]) if length else 0)
        answers.append((status, sent[head.end() : end]))
        assert len(sent) >= end or status == 200, "an answer is cut off"
        sent = sent[end:]
    return answers


async def fed(stream: bytes, cuts: list[int]) -> tuple[bytes, list[dict[str, Any]]]:
    """Feed a connection, answer what reaches the worker, and return what was sent and what went wrong."""
    wrong: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context))
    service = Service(schema={"type": "string"}, deadline_s=60.0)
    line = Line(service, lanes=service.app.lanes)
    line.transport.write = _as_a_socket_does(line.transport)  # type: ignore[method-assign]
    edges = sorted({0, *(cut % (len(stream) + 1) for cut in cuts), len(stream)})
    for begin, end in itertools.pairwise(edges):
        if line.transport.closing:
            break
        line.protocol.data_received(stream[begin:end])
        await turn(service)
    for _ in range(_QUIET_TURNS):
        await turn(service)
    line.protocol.connection_lost(None)
    service.engine.close()
    for _ in range(_QUIET_TURNS):
        await asyncio.sleep(0)
    assert not line.protocol.tasks
    return line.sent, wrong


def _as_a_socket_does(transport: FakeTransport) -> Callable[[bytes], None]:
    """Drop what is written after the end, where the fake would fail: the fast lane does not look, to be fast."""
    write = transport.write

    def drop_after_the_end(piece: bytes) -> None:
        if not transport.closing:
            write(piece)

    return drop_after_the_end


async def turn(service: Service) -> None:
    while service.gate.batches:
        service.gate.answer()
    await asyncio.sleep(0)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    before=st.integers(0, 4),
    noise=_NOISE,
    cuts=st.lists(st.integers(0, 10**6), max_size=8),
    hits=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=2),
)
@example(before=2, noise=b"GARBAGE\r\n\r\n", cuts=[], hits=[])
@example(
    before=1, noise=b"POST /api/echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", cuts=[], hits=[]
)
def test_no_bytes_break_a_connection_and_answers_keep_their_order(
    before: int, noise: bytes, cuts: list[int], hits: list[tuple[int, int]]
) -> None:
    stream = bytearray(b"".join(map(numbered, range(before))) + noise)
    for at, byte in hits:
        if stream:
            stream[at % len(stream)] = byte
    sent, wrong = asyncio.run(fed(bytes(stream), cuts))
    assert wrong == []
    answers = answers_in(sent)
    if not hits:
        whole = [b'"q%d"' % number for number in range(before)]
        values = [body for status, body in answers if status == 200]
        assert values[:before] == whole[: len(values)]


@settings(max_examples=200, deadline=None)
@given(
    head=st.lists(
        st.tuples(st.binary(min_size=1, max_size=20), st.binary(max_size=30)).map(b": ".join),
        max_size=6,
    ),
    body=st.one_of(
        st.binary(max_size=60), st.text(max_size=20).map(lambda text: text.encode(errors="replace"))
    ),
)
def test_any_headers_and_any_body_get_one_answer_or_the_end(head: list[bytes], body: bytes) -> None:
    sent, wrong = asyncio.run(fed(post(body, *head), []))
    assert wrong == []
    assert len(answers_in(sent)) <= 1 or b"\r\n" in b"".join(head) or b"\n" in b"".join(head)
