# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""Compiling when called: by shape, dtype and option; trees in and out; the choice of compiler."""

import dataclasses
import threading
import warnings
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest

from pulse_ai.numerics import (
    BadArgument,
    Defn,
    RecompileWarning,
    current_compiler,
    defn,
    jit,
    ops,
    strict,
    using_compiler,
    xla_is_installed,
)
from pulse_ai.numerics.history import History

needs_xla = pytest.mark.skipif(not xla_is_installed(), reason="JAX is not installed")
X = np.arange(3, dtype=np.float32)


@dataclasses.dataclass(frozen=True)
class Layer:
    weights: Any
    name: str
    rate: float = dataclasses.field(default=0.5, metadata={"static": True})


class Pair(NamedTuple):
    first: Any
    second: Any


class Box(msgspec.Struct):
    inside: Any


def test_any_tree_of_arrays_goes_in_and_comes_out(compiler: Any) -> None:
    def turned(layer: Layer, pair: Pair, box: Box, table: dict[str, Any]) -> Any:
        scaled = Layer(layer.weights * 2.0, layer.name + "!", layer.rate)
        return {"layer": scaled, "pair": Pair(pair.second, None), "box": Box([box.inside]), **table}

    answer = jit(turned, compiler=compiler)(Layer(X, "a"), Pair(X, X + 1), Box(X), {"more": (X, 1.0)})
    assert answer["layer"].name == "a!"
    np.testing.assert_array_equal(answer["layer"].weights, X * 2)
    np.testing.assert_array_equal(answer["pair"].first, X + 1)
    assert answer["pair"].second is None
    np.testing.assert_array_equal(answer["box"].inside[0], X)
    assert float(answer["more"][1]) == 1.0


@needs_xla
def test_a_text_field_is_part_of_what_is_compiled_for() -> None:
    double = jit(lambda layer: layer.weights * (2.0 if layer.name == "double" else 1.0), compiler="xla")
    assert float(double(Layer(X, "double")).sum()) == 6.0
    assert float(double(Layer(X, "same")).sum()) == 3.0


@needs_xla
def test_it_is_compiled_once_for_each_shape_dtype_and_option() -> None:
    @defn(compiler="xla")
    def scaled(x: Any, *, times: int = 1) -> Any:
        return x * times

    for _ in range(3):
        scaled(X)
        scaled(X, times=2)
        scaled(np.zeros((2, 2), np.float32))
        scaled(np.zeros(3, np.int32))
    assert scaled.statistics().compilations == 4


def test_a_default_option_can_be_left_out(compiler: Any) -> None:
    @defn(compiler=compiler)
    def scaled(x: Any, *, times: int = 3) -> Any:
        return x * times

    np.testing.assert_array_equal(scaled(X), X * 3)


@needs_xla
def test_the_warning_names_the_argument_that_keeps_changing() -> None:
    total = jit(lambda x, y: x.sum() + y, compiler="xla", recompile_limit=3)
    for size in (1, 2):
        total(np.ones(size, np.float32), np.float32(0))
    with pytest.warns(RecompileWarning, match=r"3 times because `x` had float32\[1\], float32\[2\]") as seen:
        total(np.ones(3, np.float32), np.float32(0))
    assert seen[0].filename == __file__


@needs_xla
def test_the_warning_names_an_option_that_keeps_changing_and_comes_at_each_doubling() -> None:
    @defn(compiler="xla", recompile_limit=2)
    def scaled(x: Any, *, times: int) -> Any:
        return x * times

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for times in range(9):
            scaled(X, times=times)
    assert ["`option times`" in str(warning.message) for warning in seen] == [True] * 3  # at 2, 4 and 8


def test_threads_that_trace_the_same_at_once_count_once_for_the_warning() -> None:
    history = History("double", ("x",), limit=2)
    all_there = threading.Barrier(3)

    def trace() -> None:
        all_there.wait(20)
        history.record((X,), {}, trace_s=60.0)

    threads = [threading.Thread(target=trace) for _ in range(3)]
    with warnings.catch_warnings(record=True) as seen:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        history.record((X,), {}, trace_s=60.0)
    assert not seen
    assert history.statistics().compilations == 4
    with pytest.warns(RecompileWarning, match="compiled 2 times"):
        history.record((X,), {}, trace_s=0.0)


@needs_xla
def test_the_tenth_compilation_warns_by_default() -> None:
    double = jit(lambda x: x * 2.0, compiler="xla")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for size in range(9):
            double(np.ones(size, np.float32))
    with pytest.warns(RecompileWarning, match="pad it"):
        double(np.ones(9, np.float32))


def test_the_compiler_is_chosen_for_all_for_a_block_or_for_a_function() -> None:
    assert current_compiler() == ("xla" if xla_is_installed() else "evaluator")
    with using_compiler("evaluator"):
        assert current_compiler() == "evaluator"
        assert type(defn(lambda x: x + 1)(X)) is np.ndarray
    assert type(jit(lambda x: x + 1, compiler="evaluator")(X)) is np.ndarray


def test_an_unknown_compiler_is_refused() -> None:
    with pytest.raises(ValueError, match="must be 'xla' or 'evaluator', got 'tvm'"):
        jit(lambda x: x, compiler="tvm")  # type: ignore[arg-type]


def test_one_defn_inside_another_is_a_part_of_it(compiler: Any) -> None:
    inner = defn(lambda x: x + 1.0)
    outer = jit(lambda x: inner(x) * 2.0, compiler=compiler)
    np.testing.assert_array_equal(outer(X), (X + 1) * 2)
    assert inner.statistics().compilations == 0


def test_a_method_can_be_a_defn(compiler: Any) -> None:
    class Model(NamedTuple):
        weights: Any

        @defn
        def apply(self, x: Any) -> Any:
            return self.weights * x

    with using_compiler(compiler):
        np.testing.assert_array_equal(Model(X).apply(X), X * X)


def test_a_leaf_that_is_no_array_is_refused_by_its_path(compiler: Any) -> None:
    with pytest.raises(BadArgument, match=r"argument 1\['q'\] is a str, not an array"):
        jit(lambda x: x, compiler=compiler)({"q": "text"})


@needs_xla
def test_an_option_that_cannot_be_hashed_is_refused_by_name() -> None:
    @defn(compiler="xla")
    def shaped(x: Any, *, shape: Any) -> Any:
        return ops.reshape(x, shape)

    with pytest.raises(BadArgument, match="the option 'shape' is a list"):
        shaped(X, shape=[3, 1])


def test_64_bits_come_in_as_32(compiler: Any) -> None:
    same = jit(lambda x: x, compiler=compiler)
    assert np.asarray(same(np.ones(2))).dtype == np.float32
    assert np.asarray(same(np.arange(2))).dtype == np.int32


def test_arrays_of_different_dtypes_or_ranks_are_refused_while_strict(compiler: Any) -> None:
    add: Defn[Any, Any] = jit(lambda x, y: x + y, compiler=compiler)
    with strict():
        with pytest.raises(TypeError, match="met: convert one with astype"):
            add(X, np.ones(3, np.int32))
        with pytest.raises(TypeError, match="add axes with reshape"):
            add(X, np.ones((3, 3), np.float32))
        np.testing.assert_array_equal(add(X, np.float32(1)), X + 1)


@needs_xla
def test_threads_share_one_compiled_function() -> None:
    square = jit(lambda x: x * x, compiler="xla")
    answers: list[float] = []
    threads = [threading.Thread(target=lambda n=n: answers.append(float(square(X + n)[0]))) for n in range(8)]
    threads[0].start()
    threads[0].join(20)
    for thread in threads[1:]:
        thread.start()
    for thread in threads[1:]:
        thread.join(20)
    assert sorted(answers) == [float(n * n) for n in range(8)]
    assert square.statistics().compilations == 1


def test_the_answer_belongs_to_the_caller() -> None:
    same = jit(lambda x: x, compiler="evaluator")
    answer = same(X)
    answer[0] = 9
    assert X[0] == 0
