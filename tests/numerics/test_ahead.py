# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""Ahead of time: templates, buckets, the disk cache, and saved functions."""

import dataclasses
import hashlib
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulse_ai.numerics import (
    BadArgument,
    Bucketed,
    Buckets,
    CompileEvent,
    DiskCache,
    Executable,
    PurityError,
    SavedFunctionError,
    TemplateMismatch,
    compile,  # noqa: A004 - the word for it
    jit,
    load,
    observing_compilations,
    ops,
    serialize,
    softmax,
    template,
    template_of,
    xla_is_installed,
)

needs_xla = pytest.mark.skipif(not xla_is_installed(), reason="JAX is not installed")


@dataclasses.dataclass
class State:
    weights: Any
    name: str = "state"


def test_an_executable_refuses_other_shapes_with_both_templates_side_by_side(compiler: Any) -> None:
    run = compile(
        lambda state, x: state["w"] * x, ({"w": template(3), "b": template()}, template(3)), compiler=compiler
    )
    with pytest.raises(TemplateMismatch) as error:
        run({"w": np.zeros((3, 1), np.float32), "c": np.float32(0)}, np.zeros(3, np.int32))
    assert str(error.value).splitlines()[1:] == [
        "  state['b']  compiled for float32[]   given nothing       <- missing",
        "  state['w']  compiled for float32[3]  given float32[3,1]  <- 2 axes, not 1",
        "  x           compiled for float32[3]  given int32[3]      <- int32, not float32",
        "  state['c']  compiled for nothing     given float32[]     <- not expected",
    ]


def test_an_executable_runs_what_fits(compiler: Any) -> None:
    run = compile(softmax, (template(2, 3),), options={"axis": 0}, compiler=compiler)
    assert isinstance(run, Executable)
    assert run.compiler == compiler
    np.testing.assert_allclose(run(np.zeros((2, 3))), np.full((2, 3), 0.5))  # float64 comes in as float32


def test_example_arrays_are_templates_too() -> None:
    assert repr(template_of({"x": np.zeros((2, 3)), "n": 1})) == "{'x': float32[2,3], 'n': int32[]}"
    with pytest.raises(BadArgument, match="got a str"):
        template_of("text")


@needs_xla
def test_compiling_reports_its_stages_and_what_cannot_be_compiled() -> None:
    events: list[CompileEvent] = []
    with observing_compilations(events.append):
        run = compile(lambda x: ops.exp(x) * 3.0, (template(7),))
    assert isinstance(run, Executable)
    assert {"trace", "lower", "compile"} <= {event.stage for event in events}
    assert {event.function for event in events} == {"<lambda>"}
    assert 0 < sum(event.duration_s for event in events) <= run.compile_s
    with pytest.raises(PurityError, match=r"ops.where"):
        compile(lambda x: x if x > 0 else -x, (template(),))


def rows(x: Any, mask: Any) -> Any:
    weighed = ops.where(mask, x, 0.0)
    return {"sums": weighed.sum(axis=1), "shifted": weighed + 1.0, "columns": ops.matrix_transpose(weighed)}


def bucketed(compiler: Any) -> Bucketed:
    found = compile(
        rows,
        (template("batch", "length"), template("batch", "length", dtype="bool")),
        buckets=Buckets(batch=(1, 2, 4), length=(4, 8)),
        compiler=compiler,
    )
    assert isinstance(found, Bucketed)
    return found


@pytest.fixture(scope="module", params=["evaluator", pytest.param("xla", marks=needs_xla)])
def shared(request: pytest.FixtureRequest) -> Bucketed:
    return bucketed(request.param)


@settings(deadline=None, max_examples=25)
@given(batch=st.integers(0, 4), length=st.integers(0, 8), seed=st.integers(0, 99))
def test_any_size_that_fits_gives_what_no_padding_gives(
    shared: Bucketed, batch: int, length: int, seed: int
) -> None:
    x = np.random.default_rng(seed).standard_normal((batch, length)).astype(np.float32)
    answer = shared(x, x > 0)
    np.testing.assert_allclose(answer["sums"], np.maximum(x, 0).sum(axis=1), atol=1e-5)
    np.testing.assert_array_equal(answer["shifted"], np.maximum(x, 0) + 1)
    np.testing.assert_array_equal(answer["columns"], np.maximum(x, 0).T)


def test_the_smallest_bucket_that_fits_is_compiled(compiler: Any) -> None:
    found = bucketed(compiler)
    found(np.zeros((3, 5), np.float32), np.ones((3, 5), np.bool_))
    found(np.zeros((4, 8), np.float32), np.ones((4, 8), np.bool_))
    found(np.zeros((1, 1), np.float32), np.ones((1, 1), np.bool_))
    assert found.compiled == ({"batch": 4, "length": 8}, {"batch": 1, "length": 4})


def test_sizes_over_the_largest_bucket_and_sizes_that_differ_are_refused(shared: Bucketed) -> None:
    with pytest.raises(TemplateMismatch, match="axis 'batch' has size 5, over its largest bucket 4"):
        shared(np.zeros((5, 4), np.float32), np.ones((5, 4), np.bool_))
    with pytest.raises(TemplateMismatch, match=r"mask .* axis 1 is 3, not 4"):
        shared(np.zeros((2, 4), np.float32), np.ones((2, 3), np.bool_))


def test_buckets_that_cannot_be_are_refused() -> None:
    with pytest.raises(BadArgument, match="must rise from at least 1"):
        Buckets(batch=(4, 2))
    with pytest.raises(BadArgument, match=r"name the axes \['batch'\], but the buckets \['rows'\]"):
        compile(lambda x: x, (template("batch"),), buckets=Buckets(rows=(1, 2)))


def test_an_answer_that_cannot_be_sliced_back_is_refused(compiler: Any) -> None:
    flat = compile(
        lambda x: ops.reshape(x, (-1,)), (template("n", 2),), buckets=Buckets(n=(2, 4)), compiler=compiler
    )
    with pytest.raises(BadArgument, match=r"axis 0 of the answer of <lambda> is 8 where 'n' is 4"):
        flat(np.ones((3, 2), np.float32))


def test_an_axis_that_grows_with_two_names_is_refused(compiler: Any) -> None:
    flat = compile(
        lambda x: ops.reshape(x, (-1,)),
        (template("n", "length"),),
        buckets=Buckets(n=(1, 4), length=(1, 8)),
        compiler=compiler,
    )
    with pytest.raises(
        BadArgument, match=r"axis 0 of the answer of <lambda> grows with 'n' and with 'length'"
    ):
        flat(np.ones((3, 5), np.float32))


def test_one_bucket_alone_is_sliced_too(compiler: Any) -> None:
    double = compile(
        lambda x: (x * 2.0, x.sum()), (template("n"),), buckets=Buckets(n=(4,)), compiler=compiler
    )
    doubled, total = double(np.ones(3, np.float32))
    np.testing.assert_array_equal(doubled, [2, 2, 2])
    assert float(total) == 3.0


@needs_xla
def test_warm_compiles_every_bucket_without_a_warning() -> None:
    many = compile(lambda x: x + 1.0, (template("n"),), buckets=Buckets(n=tuple(range(1, 13))))
    assert isinstance(many, Bucketed)
    assert len(list(many.warm())) == 12
    found = bucketed("xla")
    assert [sizes for sizes, _ in found.warm()] == list(found.buckets)
    assert len(found.compiled) == 6


CHILD = """
import sys, time
import numpy as np
from pulse_ai.numerics import DiskCache, compile, ops, template, observing_compilations
def heavy(x):
    for _ in range(6):
        x = ops.tanh(ops.matmul(x, x)) + ops.sort(x, axis=0)
    return x
events = []
with observing_compilations(events.append):
    run = compile(heavy, (template(5, 5),), cache=DiskCache(sys.argv[1]))
stages = {event.stage for event in events}
print(run.from_cache, "read_cache" in stages, float(run(np.eye(5, dtype=np.float32)).sum()))
"""


def children(folder: Path, count: int) -> list[tuple[str, ...]]:
    """Run processes at the same time that compile the same function with one folder, and return their words."""
    started = [
        subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    return [tuple(child.communicate(timeout=100)[0].split()) for child in started]


@needs_xla
@pytest.mark.process
@pytest.mark.slow
def test_processes_share_a_cache_folder_and_survive_a_damaged_entry(tmp_path: Path) -> None:
    at_once = children(tmp_path, 3)
    (entry,) = tmp_path.iterdir()  # one entry whoever was first, and nothing half-written beside it
    (again,) = children(tmp_path, 1)
    assert again[:2] == ("True", "True")
    assert {words[2] for words in at_once} == {again[2]}
    entry.write_bytes(entry.read_bytes()[:1000])
    (after,) = children(tmp_path, 1)
    assert after == ("False", "False", again[2])
    (last,) = children(tmp_path, 1)
    assert last == again


@needs_xla
def test_another_function_is_another_entry(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    for times in (2.0, 3.0):
        run = compile(lambda x, *, by: x * by, (template(3),), options={"by": times}, cache=cache)
        np.testing.assert_array_equal(run(np.ones(3, np.float32)), np.full(3, times))
    assert len(list(tmp_path.iterdir())) == 2


class Interrupted:
    """A lowered function; while it is compiled, another thread compiles something else."""

    def __init__(self, lowered: Any, number: int) -> None:
        self._lowered, self._number = lowered, number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lowered, name)

    def compile(self, options: Any) -> Any:
        import jax

        other = threading.Thread(target=jax.jit(lambda x: x * 3.0), args=(np.ones(self._number),))
        other.start()
        other.join(20)
        return self._lowered.compile(options)


@needs_xla
def test_what_another_thread_compiles_meanwhile_is_no_part_of_an_entry(tmp_path: Path) -> None:
    import jax

    found: list[tuple[bool, bytes]] = []
    for number in range(3):

        def ours(x: Any) -> Any:  # another function each time, or JAX would find its code in memory
            return ops.exp(x) - 3.0

        lowered = jax.jit(ours).lower(np.ones(3, np.float32))
        _, hit = DiskCache(tmp_path).compile(Interrupted(lowered, number + 1))
        (entry,) = tmp_path.iterdir()
        found.append((hit, entry.read_bytes()))
    assert [hit for hit, _ in found] == [False, True, True]
    assert len({content for _, content in found}) == 1
    assert found[0][1].count(b"-cache") == 1


@needs_xla
def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    run = compile(softmax, (template(3),), cache=DiskCache(tmp_path / "file" / "cache"))
    np.testing.assert_allclose(run(np.zeros(3)), np.full(3, 1 / 3))


@needs_xla
def test_a_function_is_saved_and_loaded_with_its_trees() -> None:
    def step(state: State, x: Any) -> Any:
        return State(state.weights + x, state.name), [x.sum(), None]

    saved = serialize(compile(step, (State(template(2)), template(2))))
    run = load(saved, types=[State])
    state, (total, nothing) = run(State(np.ones(2, np.float32)), np.ones(2, np.float32))
    assert isinstance(state, State)
    assert (state.name, float(total), nothing) == ("state", 2.0, None)
    np.testing.assert_array_equal(state.weights, [2, 2])
    with pytest.raises(TemplateMismatch, match=r"state\.weights"):
        run(State(np.ones(3, np.float32)), np.ones(2, np.float32))
    with pytest.raises(SavedFunctionError, match=r"give the class: load\(data, types="):
        load(saved)


@needs_xla
def test_a_bucketed_function_is_saved_with_its_buckets() -> None:
    run = load(serialize(bucketed("xla")))
    x = np.ones((3, 5), np.float32)
    np.testing.assert_array_equal(run(x, x > 0)["columns"], np.ones((5, 3)))
    with pytest.raises(TemplateMismatch, match="largest bucket"):
        run(np.ones((9, 1), np.float32), np.ones((9, 1), np.bool_))


@needs_xla
def test_damaged_and_foreign_bytes_are_refused() -> None:
    saved = serialize(compile(softmax, (template(3),)))
    with pytest.raises(SavedFunctionError, match="damaged"):
        load(saved[:-1])
    with pytest.raises(SavedFunctionError, match="begin otherwise"):
        load(b"\x80\x04pickle")
    with pytest.raises(SavedFunctionError, match="cannot run here"):
        load(serialize(compile(softmax, (template(3),)), platforms=("tpu",)))


@needs_xla
@pytest.mark.parametrize("field", ["code", "dtype", "fewer", "answer", "deep"])
def test_bytes_that_somebody_forged_are_refused(field: str) -> None:
    body = msgspec.msgpack.decode(serialize(compile(lambda x: x * 2.0, (template(2),)))[40:])
    (export,) = body["exports"]
    leaf = {"kind": "leaf"}
    if field == "deep":
        nested = msgspec.msgpack.encode(leaf)
        for _ in range(3000):
            nested = msgspec.msgpack.encode({"kind": "list", "parts": [msgspec.Raw(nested)]})
        body["arguments"] = msgspec.Raw(nested)
    elif field == "dtype":
        body["leaves"] = [[[2], "no such"]]
    elif field == "fewer":
        body["leaves"] = []
    else:
        export[field] = {"code": export["code"][:50], "answer": {"kind": "list", "parts": [leaf] * 2}}[field]
    forged = msgspec.msgpack.encode(body)
    with pytest.raises(SavedFunctionError):
        load(b"pulse-fn" + hashlib.sha256(forged).digest() + forged)(np.ones(2, np.float32))


@needs_xla
def test_a_function_of_the_evaluator_is_saved_too() -> None:
    double = jit(lambda x: x * 2.0, compiler="evaluator")
    np.testing.assert_array_equal(load(serialize(compile(double, (template(2),))))(np.ones(2)), [2, 2])


@needs_xla
def test_saving_never_uses_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("pickle was used")

    pickle = __import__("pickle")
    for name in ("dumps", "loads", "dump", "load"):
        monkeypatch.setattr(pickle, name, refuse)
    run = load(serialize(compile(softmax, (template(4),))))
    np.testing.assert_allclose(run(np.zeros(4)), np.full(4, 0.25))
