"""The worker in JavaScript behind the service: batched, bounded and supervised as any other."""

import asyncio
import json
import math
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.e2e.service import open_service, until_metric

WORKER = Path(__file__).parents[2] / "examples" / "node-worker" / "worker.js"

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js: there is no program 'node'"),
]
COMMAND = ("--worker-command", f"node '{WORKER}'")


async def test_it_is_served_under_its_name_with_its_schema_and_its_errors(tmp_path: Path) -> None:
    (tmp_path / "mild.txt").write_text("gosh\n")
    async with open_service(*COMMAND, "readability=", "mild.txt", "--workers", "2", cwd=tmp_path) as running:
        answer = await running.post("/api/readability", {"text": "The cat sat on the mat. What a damn cat!"})
        assert answer.json() == {"words": 10, "sentences": 2, "reading_ease": 117.2, "rude": ["damn"]}
        assert (await running.post("/api/mild", {"text": "Gosh, damn."})).json()["rude"] == ["gosh"]
        refused = [{"text": 1}, {}, {"text": ""}, {"text": "1 2 3"}, {"text": "x" * 100_001}]
        for item in refused:
            assert (await running.post("/api/readability", item)).json()["code"] == "invalid_input"
        batch = (
            await running.post("/api/readability/batch", [{"text": "Go."}, {"text": "?"}, {"text": "Ja!"}])
        ).json()
        assert [each["status"] for each in batch["results"]] == [200, 422, 200]


async def test_a_target_that_it_cannot_read_is_an_error_at_the_start(tmp_path: Path) -> None:
    from tests.e2e.service import pulse

    code, _, err = await pulse("serve", "--port", "0", *COMMAND, "missing.txt", cwd=tmp_path)
    assert code == 3
    assert "cannot load: ENOENT: no such file or directory, open 'missing.txt'" in err


async def test_killed_under_load_it_is_replaced_and_every_request_is_answered() -> None:
    async with open_service(*COMMAND, "words=", "--workers", "2", "--deadline-ms", "20000") as running:
        asked = [
            asyncio.create_task(running.post("/api/words", {"text": f"one {'two ' * n}"})) for n in range(200)
        ]
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        os.kill(running.workers[0], signal.SIGKILL)
        answers = await asyncio.gather(*asked)
        assert [answer.json()["words"] for answer in answers] == [n + 1 for n in range(200)]
        await until_metric(running, "pulse_worker_restarts_total", 1)
        await until_metric(running, "pulse_workers_ready", 2)


CODEC = """
const { Decoder, encode } = require(process.argv[1]);
const lines = require('node:fs').readFileSync(0, 'utf8').trim().split('\\n');
for (const line of lines) {
  let said;
  try { said = encode(Decoder.decode(Buffer.from(line, 'hex'))).toString('hex'); }
  catch (error) { said = '!' + error.message; }
  console.log(said.split('\\n')[0]);
}
"""


def through_node(encoded: list[bytes]) -> list[str]:
    """Have JavaScript decode values and encode them again; ``!`` is in front of an error."""
    ended = subprocess.run(
        ["node", "-e", CODEC, str(WORKER)],
        input="\n".join(value.hex() or "-" for value in encoded),
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    return ended.stdout.splitlines()


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=20) | st.dictionaries(st.text() | st.integers(0, 9), inner, max_size=20)
    ),
    max_leaves=30,
)


EDGES: list[Any] = [
    [0] * 15, [0] * 16, [0] * 65_536, "x" * 31, "x" * 32, "x" * 255, "x" * 256, "x" * 65_536,
    b"x" * 255, b"x" * 256, b"x" * 65_536, {n: n for n in range(16)}, {n: n for n in range(65_536)},
    1.5, math.inf, -0.0, 2**53, -(2**53), -33, "\U0001f600\0", "\ufeffx",
]  # fmt: skip


def test_its_msgpack_has_every_width_of_a_length() -> None:
    _require_same(EDGES)


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(values=st.lists(VALUES, min_size=5, max_size=15))
def test_its_msgpack_reads_and_writes_every_value_as_ours_does(values: list[Any]) -> None:
    _require_same(values)


def _require_same(values: list[Any]) -> None:
    said = through_node([msgspec.msgpack.encode(value) for value in values])
    for value, text in zip(values, said, strict=True):
        assert _same(msgspec.msgpack.decode(bytes.fromhex(text), strict=False), value), (value, text[:80])


def _same(one: Any, other: Any) -> bool:
    """Compare as JavaScript does, which has one kind of number: 1.0 comes back as 1."""
    return msgspec.json.encode(_numbers(one)) == msgspec.json.encode(_numbers(other))


def _numbers(value: Any) -> Any:
    if isinstance(value, bool | None | str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, float | bytes):
        return repr(value)
    if isinstance(value, list):
        return [_numbers(part) for part in value]  # type: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return [[repr(key), _numbers(part)] for key, part in value.items()]  # type: ignore[reportUnknownVariableType]
    return value


@settings(max_examples=3, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(garbage=st.lists(st.binary(min_size=1, max_size=40), min_size=100, max_size=200))
def test_its_msgpack_takes_garbage_for_an_error_or_a_value(garbage: list[bytes]) -> None:
    bombs = [
        b"\x91" * 100_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff\x00",
        b"\xc6\xff\xff\xff\xff",
        b"\xc1",
    ]
    said = through_node(bombs + garbage)
    assert len(said) == len(bombs) + len(garbage)
    assert all(text.startswith("!") for text in said[: len(bombs)])


def test_its_schema_is_what_the_service_publishes() -> None:
    ended = subprocess.run(
        ["node", "-e", "console.log(JSON.stringify(require(process.argv[1]).Readability.manifest))", str(WORKER)],
        capture_output=True, text=True, check=True, timeout=20,
    )  # fmt: skip
    assert json.loads(ended.stdout)["input_schema"]["required"] == ["text"]
