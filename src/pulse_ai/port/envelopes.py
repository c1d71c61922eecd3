"""How a foreign parent addresses its requests: a ref of its own choosing in front of each payload and answer.

============  ====================  ==================  ===========================================
codec         request               result              error
============  ====================  ==================  ===========================================
``etf``       ``{Ref, Payload}``    ``{Ref, Result}``   ``{Ref, {error, Code, Message}}``
``msgpack``   ``[ref, payload]``    ``[ref, result]``   ``[ref, nil, [code, message]]``
============  ====================  ==================  ===========================================

A ref is never read: its bytes go back as they came. A frame without a ref that could go back is answered with the
ref ``nil``.
"""

__all__ = ("ENVELOPES", "Envelope", "ForeignRequest")

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from pulse_ai.core import BadFrame, InvalidInput
from pulse_ai.port.term_guard import end_of_ref
from pulse_ai.port.terms import TERMS, VERSION_MAGIC, Atom, encode_term
from pulse_ai.port.values import MSGPACK, ValueCodec, encode_value

_PAIR = b"h\x02"  # a tuple of two


class ForeignRequest(NamedTuple):
    """What one frame of a foreign parent holds, both parts still encoded.

    Attributes:
        ref: What its answer begins with.
        payload: The item.
        why_not: Where the frame held no request: what was wrong with it.
    """

    ref: bytes
    payload: bytes
    why_not: str = ""


class Envelope(NamedTuple):
    """One way to write requests and answers.

    Attributes:
        values: What payloads and results are encoded with.
        no_ref: The ref of an answer to a frame without one.
        open: Takes a frame apart. It raises ``BadFrame`` for bytes that are not of this codec at all, and
            ``InvalidInput`` for what is, but is no request.
        seal: Makes a frame's body from a ref and an encoded result.
        seal_error: Makes a frame's body from a ref, a code and a text.
    """

    values: ValueCodec
    no_ref: bytes
    open: Callable[[bytes], ForeignRequest]
    seal: Callable[[bytes, bytes], bytes]
    seal_error: Callable[[bytes, str, str], bytes]


def _open_terms(frame: bytes) -> ForeignRequest:
    if frame[:1] != VERSION_MAGIC:
        raise BadFrame(
            f"a frame of {len(frame)} bytes begins with {frame[:8].hex(' ') or 'nothing'}, not with 131"
        )
    if frame[1:3] != _PAIR:
        raise InvalidInput("expected {Ref, Payload}, not compressed; got something else")
    end = end_of_ref(frame, 3)
    return ForeignRequest(frame[3:end], frame[end:])


def _seal_terms(ref: bytes, result: bytes) -> bytes:
    return VERSION_MAGIC + _PAIR + ref + result


def _seal_terms_error(ref: bytes, code: str, text: str) -> bytes:
    return _seal_terms(ref, encode_term((Atom("error"), Atom(code), text)))


_pair_decoder = msgspec.msgpack.Decoder(tuple[msgspec.Raw, msgspec.Raw])


def _open_msgpack(frame: bytes) -> ForeignRequest:
    try:
        ref, payload = _pair_decoder.decode(frame)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InvalidInput(f"expected [ref, payload]: {error}") from error
    except msgspec.DecodeError as error:
        raise BadFrame(f"a frame of {len(frame)} bytes is no msgpack: {error}") from error
    return ForeignRequest(bytes(ref), bytes(payload))


def _seal_msgpack(ref: bytes, result: bytes) -> bytes:
    return b"\x92" + ref + result


def _seal_msgpack_error(ref: bytes, code: str, text: str) -> bytes:
    return b"\x93" + ref + b"\xc0" + encode_value((code, text))


ENVELOPES = {
    "etf": Envelope(TERMS, b"w\x03nil", _open_terms, _seal_terms, _seal_terms_error),
    "msgpack": Envelope(MSGPACK, b"\xc0", _open_msgpack, _seal_msgpack, _seal_msgpack_error),
}
"""The envelopes, by the name of their codec."""
