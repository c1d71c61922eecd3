"""The conformance kit: sound workers pass, and each broken one fails where it is broken."""

import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_ai.core import schema_of
from pulse_ai.testing import CHECKS, Subject, check_worker
from pulse_ai.testing.conformance_items import example_of, fits, wrong_item

ROOT = Path(__file__).parents[2]
NODE_WORKER = ROOT / "examples" / "node-worker" / "worker.js"
TASKS = ROOT / "tests" / "port" / "tasks.py"
NAMES = [check.name for check in CHECKS]
needs_node = pytest.mark.skipif(
    shutil.which("node") is None, reason="needs Node.js: there is no program 'node'"
)


def broken(way: str, **changes: Any) -> Subject:
    """Return a worker that is broken in this way; a wait that cannot end well is short."""
    command = (sys.executable, str(Path(__file__).parent / "broken_worker.py"), way)
    merged: dict[str, Any] = {"limit_s": 5.0, "start_limit_s": 10.0, **changes}
    return Subject(command=command, **merged)


async def failed_rows(subject: Subject) -> dict[str, str]:
    """Run every check and return what those that failed say."""
    report = await check_worker(subject)
    assert [outcome.name for outcome in report.outcomes] == NAMES
    assert report.passed is not any(outcome.status == "failed" for outcome in report.outcomes)
    return {outcome.name: outcome.text for outcome in report.outcomes if outcome.status == "failed"}


@pytest.mark.process
@pytest.mark.parametrize(
    "subject",
    [
        broken("Sound", limit_s=20.0),
        Subject(command=(sys.executable, "-u", "-m", "pulse_ai.port.child"), target=f"{TASKS}:Echo"),
        pytest.param(Subject(command=("node", str(NODE_WORKER))), marks=needs_node),
    ],
    ids=["sound", "ours", "node"],
)
async def test_a_sound_worker_passes_every_check(subject: Subject) -> None:
    assert await failed_rows(subject) == {}


# Way to be broken, the row that finds it, and what that says.
BROKEN: list[tuple[str, str, str]] = [
    ("NeverReady", "handshake", "time ran out while waiting for READY"),
    ("WrongVersion", "handshake", "the other side speaks protocol 2"),
    ("Prints", "handshake", "a frame of 2003792491 bytes"),
    ("AnyVersion", "version", "FATAL was due, PROGRESS came"),
    ("NullAnswers", "answer", "was answered invalid_input: 'no'"),
    ("JoinsAnswers", "each once", "does not answer each of its items once"),
    ("DropsAnItem", "each once", "does not answer each of its items once"),
    ("AnswersTwice", "each once", "a parent would kill this worker"),
    ("Shuffles", "own answer", "among 8"),
    ("ReadsWholeFrames", "split frames", "was due"),
    ("ReadsWholeFrames", "joined frames", "there was no RESULT"),
    ("IgnoresPing", "ping", "time ran out while waiting for PONG"),
    ("WrongNonce", "ping", "PONG brought 1, PING had 0"),
    ("TiresOfPings", "ping under load", "PONG was due, RESULT came"),
    ("CrashesOnABadItem", "bad item", "exited with code 1; RESULT was due"),
    ("FailsTheBatch", "bad item", "was answered model_error: 'the batch failed'"),
    ("TakesAnything", "bad item", "is not what the schema allows, but was answered ok"),
    ("InventsACode", "bad item", "an answer has the code 'error'"),
    ("CrashesOnABadItem", "any value", "the item was nil: the worker exited with code 1"),
    ("TalksALot", "frame bound", "over the limit of 4096"),
    ("SharesInWord", "shared area", "was answered invalid_input"),
    ("WantsExactFields", "newer fields", "PONG was due, FATAL (BadFrame"),
    ("TakesAnyLength", "oversize", "time ran out while waiting for the worker to end"),
    ("ForgivesGarbage", "garbage", "time ran out while waiting for the worker to end"),
    ("ForgivesTheUnknown", "unknown message", "time ran out while waiting for the worker to end"),
    ("ServesBeforeHello", "out of turn", "Result is not legal while the worker is loading"),
    ("EndsOnCtrlC", "ctrl-c", "killed by SIGINT"),
    ("FailsToDrain", "drain", "exited with code 3; 0 was due"),
    ("ReadyAfterShutdown", "early shutdown", "exited with code 1; 0 was due"),
    ("Outlives", "end of stream", "time ran out"),
    ("AnyParent", "wrong parent", "time ran out while waiting for the worker to end"),
]
UNTOUCHED = ("handshake", "answer", "drain")  # what else a broken worker does is right


@pytest.mark.process
@pytest.mark.parametrize(("way", "row", "says"), BROKEN, ids=[f"{way}, {row}" for way, row, _ in BROKEN])
async def test_a_broken_worker_fails_in_the_right_row(way: str, row: str, says: str) -> None:
    limit_s = 0.5 if says.startswith("time ran out") else 5.0
    subject = broken(way, limit_s=limit_s, start_limit_s=1.0 if way == "NeverReady" else 10.0)
    report = await check_worker(subject, only=(row,) if row in UNTOUCHED else (*UNTOUCHED, row))
    failed = {outcome.name: outcome.text for outcome in report.outcomes if outcome.status == "failed"}
    assert set(failed) == {row}
    assert says in failed[row]
    assert not report.passed


def test_every_row_has_a_broken_worker() -> None:
    assert {row for _, row, _ in BROKEN} == set(NAMES)


@pytest.mark.process
async def test_the_row_that_needs_what_the_schema_does_not_say_is_skipped() -> None:
    subject = Subject(command=(sys.executable, "-m", "pulse_ai.port.child"), target=f"{TASKS}:Echo")
    (outcome,) = (await check_worker(subject, only=["bad item"])).outcomes
    assert (outcome.status, outcome.text[:32]) == ("skipped", "the input schema allows anything")


@pytest.mark.process
async def test_items_can_be_given() -> None:
    subject = broken("Sound", items=("one", "two"), wrong_items=(1, None))
    report = await check_worker(subject, only=["answer", "bad item"])
    assert [outcome.text for outcome in report.outcomes] == [
        "'one' gave 'ONE'",
        "1 was invalid_input; its batch-mates were ok",
    ]


@pytest.mark.process
async def test_what_a_worker_says_cannot_touch_the_terminal() -> None:
    failed = await check_worker(broken("Escapes"), only=["answer"])
    text = failed.outcomes[0].text
    assert text.isprintable()
    assert len(text) < 400


@pytest.mark.process
async def test_a_program_that_is_no_worker_fails_the_handshake_and_the_rest_is_skipped() -> None:
    report = await check_worker(Subject(command=("/bin/true",)), only=["handshake", "drain"])
    first, second = report.outcomes
    assert (first.status, first.text) == ("failed", "the worker exited with code 0; READY was due")
    assert (second.status, second.text) == ("skipped", "needs the handshake, which failed")
    assert not report.passed


async def test_a_check_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="there is no check 'ping under lode'; there are handshake, version"):
        await check_worker(broken("Sound"), only=["ping under lode"])


async def test_a_program_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(OSError, match="No such file"):
        await check_worker(Subject(command=("/nowhere/worker",)))


class _Box(msgspec.Struct):
    sides: list[float]
    colour: str = "red"


SCHEMAS = [
    {}, {"type": "string"}, {"type": "string", "minLength": 40}, {"type": "string", "maxLength": 3},
    {"type": "integer", "minimum": 10}, {"type": "integer", "exclusiveMaximum": -5},
    {"type": "number", "maximum": 0}, {"type": "number", "exclusiveMinimum": 3},
    {"type": "boolean"}, {"type": "null"}, {"enum": ["a", "b"]}, {"const": 4}, {"anyOf": [{"type": "null"}, {}]},
    {"type": "array", "minItems": 3, "items": {"type": "string"}}, {"type": "array"}, {"type": "object"},
    schema_of(_Box), schema_of(dict[str, _Box]), schema_of(list[_Box] | None),
]  # fmt: skip


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_what_is_made_from_a_schema_is_what_it_allows(schema: dict[str, Any]) -> None:
    assert all(fits(example_of(schema, number), schema) for number in range(20))
    wrong = wrong_item(schema)
    assert wrong is None or not fits(wrong[0], schema)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
WORDS = [
    "type",
    "properties",
    "items",
    "enum",
    "anyOf",
    "minimum",
    "maximum",
    "minLength",
    "minItems",
    "$ref",
    "$defs",
]


@given(
    schema=st.dictionaries(
        st.sampled_from(WORDS), JSON | st.sampled_from(["string", "array", "object", "#/$defs/x"])
    )
)
def test_any_schema_that_a_worker_sends_gives_some_value(schema: dict[str, Any]) -> None:
    msgspec.msgpack.encode(example_of(schema, 3))
    assert wrong_item(schema) is None or wrong_item(schema)
