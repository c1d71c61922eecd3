"""A worker that speaks the protocol wrong, in the way that its first argument names. Uses no code of Pulse's."""

import os
import signal
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

import msgspec


def _frame(message: list[Any]) -> bytes:
    body = msgspec.msgpack.encode(message)
    return struct.pack(">I", len(body)) + body


def _ready(version: int = 1, *, area: bool = False) -> bytes:
    return _frame([17, version, {"name": "rogue"}, area])


def _read(sock: socket.socket) -> list[Any]:
    """Read one message."""
    (size,) = struct.unpack(">I", sock.recv(4, socket.MSG_WAITALL))
    return msgspec.msgpack.decode(sock.recv(size, socket.MSG_WAITALL))


def _speak(sock: socket.socket, *chunks: bytes) -> None:
    """Say these and wait to be killed."""
    for chunk in chunks:
        sock.sendall(chunk)
    _stay(sock)


def _stay(_sock: socket.socket) -> None:
    signal.pause()


def _answer(sock: socket.socket, result: Callable[[list[Any]], bytes], *, area: bool = False) -> None:
    """Get ready, and answer the first batch wrong."""
    sock.sendall(_ready(area=area))
    batch = _read(sock)
    while batch[0] != 2:
        batch = _read(sock)
    _speak(sock, result(batch))


def _close(sock: socket.socket) -> None:
    sock.shutdown(socket.SHUT_RDWR)
    sock.close()
    signal.pause()


def _close_all(_sock: socket.socket) -> None:
    os.closerange(0, 1000)
    signal.pause()


def _well(sock: socket.socket) -> None:
    """Speak right: READY, and each batch is answered with its own items."""
    sock.sendall(_ready())
    while (message := _read(sock))[0] != 4:
        if message[0] == 2:
            sock.sendall(_frame([19, message[1], [[item[0], "ok", item[1]] for item in message[2]]]))
        elif message[0] == 3:
            sock.sendall(_frame([20, message[1]]))


WAYS: dict[str, Callable[[socket.socket], None]] = {
    "well": _well,
    "silent": _stay,
    "wrong version": lambda sock: _speak(sock, _ready(version=2)),
    "oversize": lambda sock: _speak(sock, b"\xff\xff\xff\xff"),
    "garbage": lambda sock: _speak(sock, b"HTTP/1.1 200 OK\r\n\r\n"),
    "garbage in a frame": lambda sock: _speak(sock, b"\0\0\0\4\xc1\xc1\xc1\xc1"),
    "unknown message": lambda sock: _speak(sock, _frame([99, 1])),
    "ready twice": lambda sock: _speak(sock, _ready(), _ready()),
    "ready twice at once": lambda sock: _speak(sock, _ready() + _ready()),
    "progress after ready": lambda sock: _speak(sock, _ready() + _frame([18, 0.5, "x"])),
    "result unasked": lambda sock: _speak(sock, _ready(), _frame([19, 1, []])),
    "parent's word": lambda sock: _speak(sock, _frame([3, 1])),
    "end in a frame": lambda sock: sock.sendall(_ready()[:-3]),
    "end at once": lambda sock: None,
    "closes": _close,
    "closes all": _close_all,
    "ready and gone": lambda sock: sock.sendall(_ready()),
    "fatal and stays": lambda sock: _speak(sock, _frame([21, "LoadFailed", "no such model"])),
    "fatal and gone": lambda sock: sock.sendall(_frame([21, "Boom", "the engine is gone"])),
    "other batch": lambda sock: _answer(sock, lambda batch: _frame([19, 12345, []])),
    "unknown ids": lambda sock: _answer(sock, lambda batch: _frame([19, batch[1], [[999, "ok", 1]]])),
    "no answers": lambda sock: _answer(sock, lambda batch: _frame([19, batch[1], []])),
    "shares unasked": lambda sock: _answer(
        sock, lambda batch: _frame([19, batch[1], [[1, "ok", None]], 0.0, {}, [[0, 2**25, 1]]])
    ),
    "shares the parent's half": lambda sock: _answer(
        sock, lambda batch: _frame([19, batch[1], [[1, "ok", None]], 0.0, {}, [[0, 0, 1]]]), area=True
    ),
    "keeps too much": lambda sock: _answer(
        sock, lambda batch: _frame([19, batch[1], [[1, "ok", None]], 0.0, {}, [], 2**26]), area=True
    ),
    "shares a hole": lambda sock: _answer(
        sock, lambda batch: _frame([19, batch[1], [[1, "ok", None]], 0.0, {}, [[0, 2**25, 1]]]), area=True
    ),
    "half a result": lambda sock: _answer(sock, lambda batch: b"\0\0\1\0\x93\x13"),
    "result and fatal": lambda sock: _answer(
        sock, lambda batch: _frame([19, batch[1], [[1, "ok", 1]]]) + _frame([21, "Boom", "done for"])
    ),
    "result and garbage": lambda sock: _answer(
        sock, lambda batch: _frame([19, batch[1], [[1, "ok", 1]]]) + b"\0\0\0\1\xc1"
    ),
}


if __name__ == "__main__":
    wire = socket.socket(fileno=int(sys.argv[2]))
    _read(wire)  # HELLO
    WAYS[sys.argv[1]](wire)
