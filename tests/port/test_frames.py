"""Bytes in, frames out."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_ai.core import FrameTooLarge, TruncatedStream
from pulse_ai.port import FrameReader
from pulse_ai.port.frames import frame_header

BOUND = 300
FRAMES = st.lists(st.binary(max_size=BOUND), max_size=12)


def _stream(frames: list[bytes]) -> bytes:
    return b"".join(frame_header(len(frame), max_frame_bytes=BOUND) + frame for frame in frames)


def _take(reader: FrameReader) -> list[bytes]:
    frames: list[bytes] = []
    while (frame := reader.next_frame()) is not None:
        frames.append(frame)
    return frames


@given(frames=FRAMES, cuts=st.lists(st.integers(0, 12 * BOUND)), eager=st.booleans())
def test_any_cut_of_the_stream_gives_the_same_frames(
    frames: list[bytes], cuts: list[int], eager: bool
) -> None:
    stream = _stream(frames)
    reader = FrameReader(max_frame_bytes=BOUND)
    found: list[bytes] = []
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, end in itertools.pairwise(edges):
        reader.feed(stream[start:end])
        if eager:
            found += _take(reader)
    found += _take(reader)
    reader.feed_eof()
    assert found == frames


@given(frames=FRAMES, cut=st.integers(0, 12 * BOUND))
def test_the_end_is_an_error_exactly_in_the_middle_of_a_frame(frames: list[bytes], cut: int) -> None:
    stream = _stream(frames)[:cut]
    reader = FrameReader(max_frame_bytes=BOUND)
    reader.feed(stream)
    whole = len(_stream(_take(reader)))
    if whole == len(stream):
        reader.feed_eof()
    else:
        for _ in range(2):
            with pytest.raises(TruncatedStream, match=f"{len(stream) - whole} bytes into it"):
                reader.feed_eof()


@given(size=st.integers(BOUND + 1, 2**32 - 1))
def test_a_frame_over_the_bound_is_known_from_four_bytes(size: int) -> None:
    reader = FrameReader(max_frame_bytes=BOUND)
    header = size.to_bytes(4, "big")
    reader.feed(header[:3])
    assert reader.next_frame() is None
    reader.feed(header[3:])
    for _ in range(2):
        with pytest.raises(FrameTooLarge, match=f"{size} bytes is over the limit of {BOUND}"):
            reader.next_frame()
        reader.feed(b"more")


def test_a_frame_of_exactly_the_bound_and_an_empty_one_pass() -> None:
    reader = FrameReader(max_frame_bytes=BOUND)
    reader.feed(_stream([bytes(BOUND), b""]))
    assert _take(reader) == [bytes(BOUND), b""]


def test_frames_before_one_over_the_bound_are_still_given() -> None:
    reader = FrameReader(max_frame_bytes=BOUND)
    reader.feed(_stream([b"good"]) + b"\xff\xff\xff\xff")
    assert reader.next_frame() == b"good"
    with pytest.raises(FrameTooLarge):
        reader.next_frame()


def test_a_frame_over_the_bound_is_not_sent() -> None:
    with pytest.raises(FrameTooLarge):
        frame_header(BOUND + 1, max_frame_bytes=BOUND)


def test_spent_bytes_do_not_pile_up() -> None:
    reader = FrameReader(max_frame_bytes=100_000)
    stream = frame_header(90_000, max_frame_bytes=100_000) + bytes(90_000)
    for _ in range(50):
        reader.feed(stream[:70_000])
        assert reader.next_frame() is None
        reader.feed(stream[70_000:])
        assert reader.next_frame() == stream[4:]
        assert len(reader._buffer) < 300_000
