"""The exact bytes of every message. Both directions are tested with it, and so is docs/port-protocol.md."""

from typing import Any, NamedTuple

import msgspec

from pulse_ai.core import Manifest, TaskSpec
from pulse_ai.port.messages import (
    Answer,
    Batch,
    Fatal,
    Hello,
    Item,
    Ping,
    Pong,
    Progress,
    Ready,
    Result,
    Shared,
    Shutdown,
    Timing,
)


class Golden(NamedTuple):
    name: str
    message: Any
    frame: bytes


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(value))


FROM_PARENT = [
    Golden(
        "HELLO",
        Hello(1, "echo", 1024, TaskSpec("shop:Echo", ("a",), {"n": 2}), warm_up_items=16),
        bytes.fromhex(
            "00000032 97 01 01 a46563686f cd0400 83"
            "a6746172676574 a973686f703a4563686f a461726773 91a161 a66b7761726773 81a16e02 ff 10"
        ),
    ),
    Golden(
        "BATCH",
        Batch(7, [Item(1, _raw("hi")), Item(2, _raw(5))]),
        bytes.fromhex("0000000d 94 02 07 92 9201a26869 920205 90"),
    ),
    Golden(
        "BATCH with a shared value",
        Batch(7, [Item(1, _raw(None)), Item(2, _raw(5))], [Shared(0, 64, 262_164)]),
        bytes.fromhex("00000013 94 02 07 92 9201c0 920205 91 930040ce00040014"),
    ),
    Golden("PING", Ping(9), bytes.fromhex("00000003 92 03 09")),
    Golden("SHUTDOWN", Shutdown(), bytes.fromhex("00000002 91 04")),
]
FROM_WORKER = [
    Golden(
        "READY",
        Ready(1, Manifest("echo", "0", {"type": "string"}, {}, 0, {}), timings=[Timing(4, 99, 0.25)]),
        bytes.fromhex(
            "00000069 95 11 01 86 a46e616d65 a46563686f a776657273696f6e a130 ac696e7075745f736368656d61"
            "81a474797065a6737472696e67 ad6f75747075745f736368656d61 80 af6d61785f62617463685f6974656d73 00"
            "a764657461696c73 80 c2 91 930463cb3fd0000000000000"
        ),
    ),
    Golden(
        "PROGRESS",
        Progress(0.5, "reading"),
        bytes.fromhex("00000013 93 12 cb3fe0000000000000 a772656164696e67"),
    ),
    Golden(
        "RESULT",
        Result(7, [Answer(1, "ok", _raw("HI")), Answer(2, "model_error", _raw("no"))], 0.25, {"tokens": 3}),
        bytes.fromhex(
            "00000031 97 13 07 92 9301a26f6ba24849 9302ab6d6f64656c5f6572726f72a26e6f"
            "cb3fd0000000000000 81a6746f6b656e7303 90 00"
        ),
    ),
    Golden(
        "RESULT with a shared value",
        Result(7, [Answer(1, "ok", _raw(None))], 0.25, {}, [Shared(0, 2**25, 300_000)], 4096),
        bytes.fromhex(
            "00000024 97 13 07 91 9301a26f6bc0 cb3fd0000000000000 80 91 9300ce02000000ce000493e0 cd1000"
        ),
    ),
    Golden("PONG", Pong(9), bytes.fromhex("00000003 92 14 09")),
    Golden("FATAL", Fatal("LoadFailed", "no"), bytes.fromhex("00000010 93 15 aa4c6f61644661696c6564 a26e6f")),
]
