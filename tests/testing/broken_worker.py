"""A worker that keeps the protocol but for one thing, which its first argument names. Uses no code of Pulse's."""

import os
import select
import signal
import socket
import sys
from typing import Any

import msgspec

_MANIFEST = {"name": "broken", "input_schema": {"type": "string"}}


class Ended(Exception):
    """The worker ends with this exit code."""

    def __init__(self, code: int) -> None:
        self.code = code


class Sound:
    """A worker that does nothing wrong; the others change one method of it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._bound = 2**20
        self._ready = False

    def run(self) -> None:
        while True:
            self.handle(self.read())

    def read(self) -> list[Any]:
        size = int.from_bytes(self.exactly(4), "big")
        if size > self._bound:
            self.fatal("FrameTooLarge")
        try:
            return msgspec.msgpack.decode(self.exactly(size))
        except msgspec.DecodeError:
            self.fatal("BadFrame")
            raise

    def exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            chunk = self._sock.recv(size - len(found))
            if not chunk:
                raise Ended(self.exit_code())
            found += chunk
        return found

    def handle(self, message: list[Any]) -> None:
        kind = message[0]
        if kind == 1 and not self._ready:
            self.hello(*message[1:4])
        elif kind == 2 and self._ready:
            self.batch(message[1], message[2])
        elif kind == 3 and self._ready:
            self.ping(message[1])
        elif kind == 4:
            raise Ended(self.exit_code())
        else:
            self.fatal("BadFrame")

    def hello(self, version: int, name: str, bound: int) -> None:
        if version != 1:
            self.fatal("VersionMismatch")
        self._bound = bound
        self._ready = True
        self.send([18, 0.5, "loading"])
        self.send([17, 1, _MANIFEST])

    def batch(self, number: int, items: list[Any]) -> None:
        self.send([19, number, [self.answer(item[0], item[1]) for item in items]])

    def answer(self, item: int, value: Any) -> list[Any]:
        if not isinstance(value, str) or len(value) > 10_000:
            return [item, "invalid_input", "expected a text of at most 10,000 characters"]
        return [item, "ok", value.upper()]

    def ping(self, nonce: int) -> None:
        self.send([20, nonce])

    def exit_code(self) -> int:
        return 0

    def fatal(self, code: str) -> None:
        self.send([21, code, "see the protocol"])
        raise Ended(1)

    def send(self, message: list[Any]) -> None:
        body = msgspec.msgpack.encode(message)
        self._sock.sendall(len(body).to_bytes(4, "big") + body)


class NeverReady(Sound):
    def hello(self, version: int, name: str, bound: int) -> None:
        self.send([18, None, "loading for ever"])


class WrongVersion(Sound):
    def hello(self, version: int, name: str, bound: int) -> None:
        self.send([17, 2, _MANIFEST])


class AnyVersion(Sound):
    def hello(self, version: int, name: str, bound: int) -> None:
        super().hello(1, name, bound)


class Prints(Sound):
    """Says hello in words on the wire."""

    def hello(self, version: int, name: str, bound: int) -> None:
        self._sock.sendall(b"worker is up\n")


class NullAnswers(Sound):
    """Refuses all that it is sent."""

    def answer(self, item: int, value: Any) -> list[Any]:
        return [item, "invalid_input", "no"]


class Escapes(Sound):
    """Clears the screen of whoever reads what it says."""

    def answer(self, item: int, value: Any) -> list[Any]:
        self.send([21, "Boom", "\x1b[2J\r\n[bold]" + 1000 * "\x07"])
        raise Ended(1)


class JoinsAnswers(Sound):
    """Answers the whole batch with the first item's id."""

    def batch(self, number: int, items: list[Any]) -> None:
        if len(items) < 20:
            super().batch(number, items)
        else:
            self.send([19, number, [[items[0][0], "ok", [value for _, value, *_ in items]]]])


class DropsAnItem(Sound):
    def batch(self, number: int, items: list[Any]) -> None:
        super().batch(number, items[:-1] if len(items) > 20 else items)


class AnswersTwice(Sound):
    def batch(self, number: int, items: list[Any]) -> None:
        super().batch(number, items)
        if len(items) > 20:
            super().batch(number, items)


class Shuffles(Sound):
    """Gives each item the answer of the one before it."""

    def batch(self, number: int, items: list[Any]) -> None:
        values = [item[1] for item in items]
        shifted = [[item[0], value] for item, value in zip(items, values[-1:] + values[:-1], strict=True)]
        super().batch(number, shifted)


class ReadsWholeFrames(Sound):
    """Takes it that one read brings one frame."""

    def read(self) -> list[Any]:
        return msgspec.msgpack.decode(self._sock.recv(2**20)[4:])


class IgnoresPing(Sound):
    def ping(self, nonce: int) -> None:
        pass


class TiresOfPings(Sound):
    """Passes a PING over where a BATCH comes behind it, as one that reads the newest message only."""

    _pings = 0

    def ping(self, nonce: int) -> None:
        self._pings += 1
        if self._pings < 10:
            super().ping(nonce)


class WrongNonce(Sound):
    def ping(self, nonce: int) -> None:
        super().ping(nonce + 1)


class CrashesOnABadItem(Sound):
    def answer(self, item: int, value: Any) -> list[Any]:
        return [item, "ok", value.upper()]


class FailsTheBatch(Sound):
    """One bad item spoils its batch-mates."""

    def batch(self, number: int, items: list[Any]) -> None:
        answers = [self.answer(item[0], item[1]) for item in items]
        if any(answer[1] != "ok" for answer in answers):
            answers = [[answer[0], "model_error", "the batch failed"] for answer in answers]
        self.send([19, number, answers])


class TakesAnything(Sound):
    def answer(self, item: int, value: Any) -> list[Any]:
        return [item, "ok", None]


class InventsACode(Sound):
    def answer(self, item: int, value: Any) -> list[Any]:
        code, text = super().answer(item, value)[1:]
        return [item, "error" if code != "ok" else code, text]


class TalksALot(Sound):
    """Its answers do not fit into the frames that HELLO allows."""

    def answer(self, item: int, value: Any) -> list[Any]:
        code, text = super().answer(item, value)[1:]
        return [item, code, text + 1000 * "!" if code == "ok" else text]


class WantsExactFields(Sound):
    def handle(self, message: list[Any]) -> None:
        if len(message) > 7 or (message[0] == 3 and len(message) > 2):
            self.fatal("BadFrame")
        super().handle(message)


class SharesInWord(Sound):
    """Takes the shared area, and never looks there."""

    def hello(self, version: int, name: str, bound: int) -> None:
        if version != 1:
            self.fatal("VersionMismatch")
        self._bound = bound
        self._ready = True
        self.send([17, 1, _MANIFEST, True])


class TakesAnyLength(Sound):
    def hello(self, version: int, name: str, bound: int) -> None:
        super().hello(version, name, 2**40)


class ForgivesGarbage(Sound):
    def read(self) -> list[Any]:
        try:
            return msgspec.msgpack.decode(self.exactly(int.from_bytes(self.exactly(4), "big")))
        except msgspec.DecodeError:
            return self.read()


class ForgivesTheUnknown(Sound):
    def handle(self, message: list[Any]) -> None:
        if message[0] in {1, 2, 3, 4}:
            super().handle(message)


class ServesBeforeHello(Sound):
    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._ready = True

    def handle(self, message: list[Any]) -> None:
        if message[0] == 1:
            self.hello(*message[1:4])
        else:
            super().handle(message)


class EndsOnCtrlC(Sound):
    def run(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        super().run()


class FailsToDrain(Sound):
    def exit_code(self) -> int:
        return 3


class ReadyAfterShutdown(Sound):
    """Takes a SHUTDOWN that was there before READY for a mistake."""

    def handle(self, message: list[Any]) -> None:
        super().handle(message)
        waits = message[0] == 1 and select.select([self._sock], [], [], 0)[0]
        if waits and self._sock.recv(6, socket.MSG_PEEK) == b"\0\0\0\2\x91\4":
            raise Ended(1)


class Outlives(Sound):
    """Stays when the stream ends."""

    def exactly(self, size: int) -> bytes:
        try:
            return super().exactly(size)
        except Ended:
            signal.pause()
            raise


class AnyParent(Sound):
    """Does not look whose child it is."""


if __name__ == "__main__":
    way, fd, parent = sys.argv[-3:]
    if os.getppid() != int(parent) and way != "AnyParent":
        sys.exit(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        globals()[way](socket.socket(fileno=int(fd))).run()
    except (BrokenPipeError, ConnectionResetError):
        sys.exit(0)
    except Ended as ended:
        sys.exit(ended.code)
