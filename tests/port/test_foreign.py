"""What a foreign parent and ``pulse port`` say to each other; no process here."""

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_ai.core import BadFrame, FrameTooLarge, TargetError, TaskSpec
from pulse_ai.port import ENVELOPES, Atom, ForeignConnection, decode_value, encode_value, serve_foreign, terms
from pulse_ai.port.envelopes import ForeignRequest
from pulse_ai.port.foreign import ForeignWire
from pulse_ai.port.terms import decode_term, encode_term

MAGIC_PAIR = b"\x83h\x02"


def connection(codec: str = "etf", packet_bytes: int = 4) -> ForeignConnection:
    return ForeignConnection(ENVELOPES[codec], packet_bytes=packet_bytes)


def framed(body: bytes, packet_bytes: int = 4) -> bytes:
    return len(body).to_bytes(packet_bytes, "big") + body


def requests(of: ForeignConnection, stream: bytes) -> list[ForeignRequest]:
    of.feed(stream)
    found: list[ForeignRequest] = []
    while (request := of.next_request()) is not None:
        found.append(request)
    return found


def opened(frame: bytes, packet_bytes: int = 4) -> object:
    """Return the term of an answer as plain values."""
    size_bytes = int.from_bytes(frame[:packet_bytes], "big")
    assert len(frame) == packet_bytes + size_bytes
    assert frame[packet_bytes : packet_bytes + 1] == b"\x83"
    return decode_term(frame[packet_bytes + 1 :])


def test_the_golden_bytes_are_those_of_the_document() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "ports.md").read_text("utf-8")
    rows = re.findall(r"^\| (request|result|error) \| `([0-9a-f ]+)` \|$", page, re.MULTILINE)
    golden = {name: bytes.fromhex(text) for name, text in rows}
    speaks = connection(packet_bytes=2)
    [request] = requests(speaks, golden["request"])
    assert (request.ref, decode_term(request.payload)) == (b"\x61\x07", "hi")
    assert speaks.result(request.ref, request.payload) == golden["result"]
    assert speaks.error(request.ref, "model_error", "no") == golden["error"]


@pytest.mark.parametrize("codec", ENVELOPES)
@pytest.mark.parametrize("packet_bytes", [1, 2, 4])
@given(cuts=st.lists(st.integers(0, 100), max_size=6))
def test_any_cut_of_the_stream_gives_the_same_requests(
    codec: str, packet_bytes: int, cuts: list[int]
) -> None:
    bodies = {
        "etf": [MAGIC_PAIR + encode_term(n) + encode_term("x" * n) for n in range(5)],
        "msgpack": [encode_value([n, "x" * n]) for n in range(5)],
    }[codec]
    stream = b"".join(framed(body, packet_bytes) for body in bodies)
    speaks = connection(codec, packet_bytes)
    found: list[ForeignRequest] = []
    ends = sorted({*(cut % len(stream) for cut in cuts), len(stream)})
    for start, end in zip([0, *ends], ends, strict=False):
        found += requests(speaks, stream[start:end])
    read = decode_term if codec == "etf" else decode_value
    assert [(read(one.ref), read(one.payload)) for one in found] == [(n, "x" * n) for n in range(5)]
    assert not any(one.why_not for one in found)


@pytest.mark.parametrize(
    ("codec", "body"),
    [
        ("etf", b""),
        ("etf", b"hello"),
        ("etf", b"\x82h\x02a\x01a\x01"),
        ("msgpack", b""),
        ("msgpack", b"\x92\x01"),
        ("msgpack", b"\xc1"),
    ],
)
def test_what_is_not_of_the_codec_breaks_the_connection(codec: str, body: bytes) -> None:
    with pytest.raises(BadFrame, match="bytes"):
        requests(connection(codec), framed(body))


def test_a_frame_over_the_bound_breaks_the_connection_before_it_has_come() -> None:
    with pytest.raises(FrameTooLarge):
        requests(connection(), b"\xff\xff\xff\xff")


@pytest.mark.parametrize(
    ("codec", "body", "why"),
    [
        ("etf", b"\x83a\x07", "expected {Ref, Payload}"),
        ("etf", b"\x83h\x03a\x01a\x02a\x03", "expected {Ref, Payload}"),
        ("etf", b"\x83P\x00\x00\x01\xc8x\x9c", "not compressed"),
        ("etf", b"\x83h\x02q\x00", "a function cannot be a ref"),
        ("etf", b"\x83h\x02m\x00\x00\x10\x00", "cut off"),
        ("etf", MAGIC_PAIR + encode_term("x" * 1020) + b"\x6a", "a ref of 1025 bytes is over the limit of 1024"),
        ("msgpack", b"\x07", r"expected \[ref, payload\]"),
        ("msgpack", b"\x93\x01\x02\x03", r"expected \[ref, payload\]"),
    ],
)  # fmt: skip
def test_a_frame_that_is_no_request_is_refused_without_a_ref(codec: str, body: bytes, why: str) -> None:
    speaks = connection(codec)
    [refused, following] = requests(
        speaks, framed(body) + framed({"etf": b"\x83h\x02a\x01j", "msgpack": b"\x92\x01\x90"}[codec])
    )
    assert re.search(why.replace("{", r"\{"), refused.why_not)
    assert refused.ref == ENVELOPES[codec].no_ref
    assert following.why_not == ""


def test_errors_as_each_codec_writes_them() -> None:
    expected = (7, (Atom("error"), Atom("invalid_input"), "no"))
    assert opened(connection().error(b"\x61\x07", "invalid_input", "no")) == expected
    frame = connection("msgpack").error(b"\x07", "invalid_input", "no")
    assert decode_value(frame[4:]) == [7, None, ["invalid_input", "no"]]


@pytest.mark.parametrize(("packet_bytes", "limit"), [(1, 255), (2, 65_535)])
@given(over=st.integers(-20, 20))
def test_an_answer_that_does_not_fit_is_an_error_and_nothing_longer_is_sent(
    packet_bytes: int, limit: int, over: int
) -> None:
    speaks = connection(packet_bytes=packet_bytes)
    ref = encode_term(7)
    result = encode_term(b"\xff" * (limit - 10 + over))
    frame = speaks.result(ref, result)
    assert len(frame) <= limit + packet_bytes
    found = opened(frame, packet_bytes)
    if over <= 0:
        assert found == (7, b"\xff" * (limit - 10 + over))
    else:
        assert f"{limit + over} bytes, over the limit of {limit}" in str(found)


@pytest.mark.parametrize("codec", ENVELOPES)
@given(text=st.text(max_size=600), ref_bytes=st.integers(0, 122))
def test_the_text_of_an_error_is_cut_where_it_does_not_fit(codec: str, text: str, ref_bytes: int) -> None:
    speaks = connection(codec, packet_bytes=1)
    encode = encode_term if codec == "etf" else encode_value
    frame = speaks.error(encode(b"\xff" * ref_bytes), "invalid_input", text)
    assert len(frame) <= 256
    assert text.encode() in frame or len(frame) > 256 - 8  # a cut leaves room for one character and a header


def test_a_library_that_is_missing_is_named_before_the_task_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terms._library.cache_clear()
    monkeypatch.setitem(sys.modules, "erlang", None)
    with pytest.raises(TargetError, match=r"pulse-ai\[erlang\]"):
        serve_foreign(TaskSpec("nowhere:Nothing"), connection(), ForeignWire(-1, -1), batch_size=1)
