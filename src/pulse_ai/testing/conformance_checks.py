"""What docs/port-protocol.md asks of a worker, one function a row. Each starts workers of its own.

A check returns a few words about what it saw. It raises ``CheckFailed`` where the worker is wrong, and
``CheckSkipped`` where this cannot be tried with it.
"""

__all__ = ("CHECKS", "Check")

import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec

from pulse_ai.core import PROTOCOL_VERSION
from pulse_ai.port import OK, Answer, Item, describe_exit, encode_value
from pulse_ai.testing.conformance_items import HOSTILE_VALUES, wrong_item
from pulse_ai.testing.conformance_probe import (
    CheckFailed,
    CheckSkipped,
    Probe,
    Subject,
    open_probe,
    read_answers,
)

_MANY_ITEMS = 32
_LOAD_ROUNDS = 50
_LARGE_ID = 2**53 - 1  # the largest number that every language has as an integer
_BYTES_AN_ITEM = 64  # room in a frame for one answer, a short text of an error included

# Starts the command as its child and ends with its exit code, so that the pid given to it is not its parent's.
_IN_BETWEEN = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:], close_fds=False))"


class Check(NamedTuple):
    """One row: its name, what the protocol says, and the function that tries it."""

    name: str
    rule: str
    run: Callable[[Subject], Awaitable[str]]


async def _handshake(subject: Subject) -> str:
    async with open_probe(subject) as probe:
        manifest = await probe.start()
        return f"{manifest.name!r}, version {manifest.version!r}; {probe.progress} PROGRESS"


async def _version(subject: Subject) -> str:
    async with open_probe(subject, loads=False) as probe:
        probe.hello()  # the legal one, which is not sent: from here on the worker may speak
        await probe.send(_frame([1, PROTOCOL_VERSION + 1, "check", 2**20, None]))
        fatal = await probe.expect("Fatal")
        if fatal.code != "VersionMismatch":
            raise CheckFailed(f"FATAL came with the code {fatal.code!r}; VersionMismatch was due")
        return await _require_exit(probe, clean=False)


async def _answer(subject: Subject) -> str:
    async with open_probe(subject) as probe:
        await probe.start()
        (item,) = probe.items(1)
        answer = _require_ok(item, await probe.ask([item]))
        return f"{_shown(item.value)} gave {_shown(answer.value)}"


async def _each_once(subject: Subject) -> str:
    async with open_probe(subject) as probe:
        await probe.start()
        items = _renumbered(probe.items(_MANY_ITEMS))
        for batch in (items, items[:1], items[::-1]):
            answers = await probe.ask(batch)
            for item in batch:
                _require_ok(item, answers)
        return f"{len(items)} items, ids up to 2^53 - 1"


async def _own_answer(subject: Subject) -> str:
    async with open_probe(subject) as probe:
        await probe.start()
        items = probe.items(8)
        alone = [await _answer_alone(probe, item) for item in items]
        if alone != [await _answer_alone(probe, item) for item in items]:
            raise CheckSkipped("the same item gives another answer each time")
        answers = await probe.ask(items)
        for item, expected in zip(items, alone, strict=True):
            if answers[item.id].value != expected:
                raise CheckFailed(
                    f"{_shown(item.value)} gave {_shown(expected)} alone, "
                    f"and {_shown(answers[item.id].value)} among {len(items)}"
                )
        return f"{len(set(map(bytes, alone)))} different answers to {len(items)} items"


async def _split_frames(subject: Subject) -> str:
    async with open_probe(subject) as probe:
        hello = probe.hello()
        await probe.send(hello[:1], hello[1:3], hello[3:6], hello[6:])
        await probe.wait_ready()
        items = probe.items(3)
        batch = probe.batch(items)
        await probe.send(batch[:2], batch[2:4], batch[4:5], batch[5:-1], batch[-1:])
        _require_ok(items[0], await probe.wait_answers())
        return "HELLO in 4 pieces, BATCH in 5"


async def _joined_frames(subject: Subject) -> str:
    async with open_probe(subject) as probe:
        await probe.start()
        items = probe.items(1)
        await probe.send(probe.ping(1) + probe.batch(items))
        message = await probe.receive()
        if type(message).__name__ == "Pong":
            message = await probe.expect("Result")
        if type(message).__name__ != "Result":
            raise CheckFailed("PING and BATCH came as one piece, and there was no RESULT")
        _require_ok(items[0], read_answers(message))
        return "PING and BATCH in one piece"


async def _ping(subject: Subject) -> str:
    async with open_probe(subject) as probe:
        await probe.start()
        for nonce in (0, 7, _LARGE_ID):
            await probe.send(probe.ping(nonce))
            _require_nonce((await probe.expect("Pong")).nonce, nonce)
        return "each with its nonce"


async def _ping_under_load(subject: Subject) -> str:
    async with open_probe(subject) as probe:
        await probe.start()
        items = probe.items(4)
        for nonce in range(1, _LOAD_ROUNDS + 1):
            await probe.send(probe.ping(nonce) + probe.batch(items))
            _require_nonce((await probe.expect("Pong")).nonce, nonce)
            await probe.expect("Result")
        return f"{_LOAD_ROUNDS} PINGs, each with a BATCH behind it"


async def _bad_item(subject: Subject) -> str:
    async with open_probe(subject) as probe:
        manifest = await probe.start()
        wrong = subject.wrong_items or wrong_item(manifest.input_schema)
        if not wrong:
            raise CheckSkipped("the input schema allows anything; give an item that is wrong")
        good = probe.items(2)
        bad = [Item(n, msgspec.Raw(encode_value(value))) for n, value in enumerate(wrong, 100)]
        for among in ([good[0], *bad, *good[1:]], bad):
            if manifest.max_batch_items and len(among) > manifest.max_batch_items:
                continue
            answers = await probe.ask(among)
            for item in among:
                if item not in bad:
                    _require_ok(item, answers)
                elif answers[item.id].code == OK:
                    raise CheckFailed(
                        f"{_shown(item.value)} is not what the schema allows, but was answered ok"
                    )
        return f"{_shown(bad[0].value)} was {answers[100].code}; its batch-mates were ok"


async def _any_value(subject: Subject) -> str:
    async with open_probe(subject) as probe:
        await probe.start()
        for name, value in HOSTILE_VALUES:
            try:
                await probe.ask([Item(1, msgspec.Raw(value))])
            except CheckFailed as error:
                raise CheckFailed(f"the item was {name}: {error}") from error
        (item,) = probe.items(1)
        _require_ok(item, await probe.ask([item]))
        return f"{len(HOSTILE_VALUES)} odd values answered, and then a good one"


async def _frame_bound(subject: Subject) -> str:
    async with open_probe(subject) as probe:
        manifest = await probe.start()
    bound_bytes = max(4096, 1024 + len(msgspec.msgpack.encode(manifest)))
    async with open_probe(subject, bound_bytes=bound_bytes) as probe:
        await probe.start()
        items = probe.items(bound_bytes // _BYTES_AN_ITEM)
        size_bytes = max(len(item.value) for item in items) + 12
        answers = await probe.ask(items[: max(1, (bound_bytes - 16) // size_bytes)])
        too_long = sum(answer.code == "model_error" for answer in answers.values())
        return f"{len(answers)} answers in {bound_bytes} bytes; {too_long} were too long and say so"


async def _shared_area(subject: Subject) -> str:
    async with open_probe(subject) as probe:
        await probe.start()
        if not probe.shares:
            raise CheckSkipped("the worker takes none, and need not")
        items = probe.items(3)
        for _ in range(2):
            await probe.send(probe.shared_batch(items))
            answers = await probe.wait_answers()
            for item in items:
                _require_ok(item, answers)
        return f"{len(items)} items read from it, twice"


async def _oversize(subject: Subject) -> str:
    async with open_probe(subject, bound_bytes=1024 * 1024) as probe:
        await probe.start()
        await probe.send((1024 * 1024 + 1).to_bytes(4, "big"))
        return await _require_exit(probe, clean=False)


async def _garbage(subject: Subject) -> str:
    async with open_probe(subject) as probe:
        await probe.start()
        await probe.send(bytes.fromhex("00000004 c1c1c1c1"))
        return await _require_exit(probe, clean=False)


async def _unknown_message(subject: Subject) -> str:
    async with open_probe(subject) as probe:
        await probe.start()
        await probe.send(_frame([99, 1]))
        return await _require_exit(probe, clean=False)


async def _out_of_turn(subject: Subject) -> str:
    async with open_probe(subject, loads=False) as probe:
        probe.hello()
        await probe.send(_frame([2, 1, [[1, "before HELLO"]]]))
        return await _require_exit(probe, clean=False)


async def _newer_fields(subject: Subject) -> str:
    async with open_probe(subject) as probe:
        await probe.start()
        probe.ping(5)
        await probe.send(_frame([3, 5, "newer", {"and": "newer"}]))
        _require_nonce((await probe.expect("Pong")).nonce, 5)
        items = probe.items(1)
        probe.batch(items)
        await probe.send(_frame([2, 1, [[item.id, item.value, "newer"] for item in items], [], "newer"]))
        _require_ok(items[0], await probe.wait_answers())
        return "on PING, on BATCH and on an item"


async def _ctrl_c(subject: Subject) -> str:
    async with open_probe(subject) as probe:
        await probe.start()
        probe.send_signal(signal.SIGINT)
        items = probe.items(1)
        for _ in range(3):
            _require_ok(items[0], await probe.ask(items))
        return "SIGINT did not end it"


async def _drain(subject: Subject) -> str:
    async with open_probe(subject) as probe:
        await probe.start()
        items = probe.items(2)
        _require_ok(items[0], await probe.ask(items))
        await probe.send(probe.shutdown())
        return await _require_exit(probe, clean=True)


async def _early_shutdown(subject: Subject) -> str:
    async with open_probe(subject) as probe:
        await probe.send(probe.hello() + _frame([4]))
        return await _require_exit(probe, clean=True, before=("Progress", "Ready"))


async def _end_of_stream(subject: Subject) -> str:
    async with open_probe(subject) as probe:
        await probe.start()
        probe.hang_up()
        text = await _require_exit(probe, clean=True)
    async with open_probe(subject) as probe:
        await probe.start()
        await probe.send(b"\0\0\0")
        probe.hang_up()
        await probe.wait_exit()
    return f"{text}; ended in the middle of a frame, too"


async def _wrong_parent(subject: Subject) -> str:
    in_between = (sys.executable, "-c", _IN_BETWEEN, *subject.command)
    async with open_probe(subject, command=in_between, loads=False) as probe:
        return await _require_exit(probe, clean=True)


async def _answer_alone(probe: Probe, item: Item) -> msgspec.Raw:
    return (await probe.ask([item]))[item.id].value


def _renumbered(items: Sequence[Item]) -> list[Item]:
    """Give every second item an id near the largest one, so that they are no list's places."""
    return [Item(_LARGE_ID - item.id if item.id % 2 else item.id, item.value) for item in items]


def _require_ok(item: Item, answers: dict[int, Answer]) -> Answer:
    answer = answers[item.id]
    if answer.code != OK:
        raise CheckFailed(f"{_shown(item.value)} was answered {answer.code}: {_shown(answer.value)}")
    return answer


def _require_nonce(nonce: int, expected: int) -> None:
    if nonce != expected:
        raise CheckFailed(f"PONG brought {nonce}, PING had {expected}")


async def _require_exit(probe: Probe, *, clean: bool, before: Sequence[str] = ()) -> str:
    """Wait until the worker has ended: clean, with code 0; else with another one, and maybe FATAL first."""
    probe.waits_for = "the worker to end"
    message = await probe.receive()
    while type(message).__name__ in before:
        message = await probe.receive()
    if type(message).__name__ == "Fatal" and not clean:
        message = await probe.receive()
    if message is not None:
        raise CheckFailed(f"the worker should have ended, {type(message).__name__.upper()} came")
    code = await probe.wait_exit()
    if code < 0 or (code == 0) is not clean:
        raise CheckFailed(
            f"the worker {describe_exit(code)}; {'0' if clean else 'another code than 0'} was due"
        )
    return describe_exit(code)


def _frame(message: list[object]) -> bytes:
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(4, "big") + body


def _shown(value: msgspec.Raw) -> str:
    return f"{msgspec.msgpack.decode(value)!r:.60}"


CHECKS: tuple[Check, ...] = (
    Check("handshake", "HELLO is answered with READY: version, manifest", _handshake),
    Check("version", "another version in HELLO: FATAL VersionMismatch, then the end", _version),
    Check("answer", "an item that the worker takes is answered ok", _answer),
    Check("each once", "RESULT answers each item of its BATCH once, by its id", _each_once),
    Check("own answer", "an item is answered as it is alone, whatever its batch-mates", _own_answer),
    Check("split frames", "a frame may come in any pieces", _split_frames),
    Check("joined frames", "one piece may hold several frames", _joined_frames),
    Check("ping", "PING is answered with PONG and its nonce", _ping),
    Check("ping under load", "PONG comes, though a BATCH follows the PING", _ping_under_load),
    Check("bad item", "a wrong item is answered with an error; its batch-mates with ok", _bad_item),
    Check("any value", "whatever an item holds, it is answered and the worker goes on", _any_value),
    Check("frame bound", "no RESULT is over max_frame_bytes of HELLO", _frame_bound),
    Check("shared area", "who takes the area in READY reads items there", _shared_area),
    Check("newer fields", "unknown fields at the end are passed over", _newer_fields),
    Check("oversize", "a length over the bound ends the worker, not with 0", _oversize),
    Check("garbage", "a body that is no msgpack ends the worker, not with 0", _garbage),
    Check("unknown message", "a message that is not known ends the worker, not with 0", _unknown_message),
    Check("out of turn", "a BATCH before HELLO ends the worker, not with 0", _out_of_turn),
    Check("ctrl-c", "SIGINT is the parent's to handle: the worker goes on", _ctrl_c),
    Check("drain", "SHUTDOWN after the last RESULT: exit code 0", _drain),
    Check("early shutdown", "SHUTDOWN while loading: exit code 0", _early_shutdown),
    Check("end of stream", "the parent's side closes: the worker ends with 0", _end_of_stream),
    Check("wrong parent", "PARENT_PID is not the parent: the worker ends with 0", _wrong_parent),
)
"""Every row, in the order in which they are tried."""
