# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""What compiled code cannot do is found, with the line and what to write instead."""

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pulse_ai.numerics import (
    PurityError,
    PurityWarning,
    defn,
    jit,
    ops,
    print_value,
    using_compiler,
    xla_is_installed,
)

needs_xla = pytest.mark.skipif(not xla_is_installed(), reason="JAX is not installed")
X = np.arange(3, dtype=np.float32)
SCALE = 2.0
TABLE = np.ones(30_000, np.float32)
SEEN: list[Any] = []
count = 0


def line_of(function: Callable[..., Any], text: str) -> str:
    """Return ``file:line`` of the first line of a function that has a text in it."""
    lines, first = inspect.getsourcelines(function)
    return f"{__file__}:{first + next(n for n, line in enumerate(lines) if text in line)}"


def writes(x: Any) -> Any:
    x[0] = 5.0
    return x


def fills(x: Any) -> Any:
    np.multiply(x, 2, out=x)
    return x


def branches(x: Any) -> Any:
    if x.sum() > 0:
        return x
    return -x


def counts_in_python(x: Any) -> Any:
    return [x for _ in range(int(x[0]))]


def calls_numpy(x: Any) -> Any:
    return np.exp(x)


def masks(x: Any) -> Any:
    return x[x > 0]


def test_writing_to_an_argument_is_refused_and_leaves_it_alone(compiler: Any) -> None:
    given = X.copy()
    with pytest.raises(PurityError, match=r"use ops.set_at\(x, index, value\)") as error:
        jit(writes, compiler=compiler)(given)
    assert line_of(writes, "x[0]") in str(error.value)
    np.testing.assert_array_equal(given, X)


def test_the_evaluator_sees_numpy_write_to_an_argument() -> None:
    given = X.copy()
    with pytest.raises(PurityError, match=line_of(fills, "multiply")):
        jit(fills, compiler="evaluator")(given)
    np.testing.assert_array_equal(given, X)


def test_adding_in_place_binds_a_new_array(compiler: Any) -> None:
    def added(x: Any) -> Any:
        x += 1.0
        return x

    given = X.copy()
    np.testing.assert_array_equal(jit(added, compiler=compiler)(given), X + 1)
    np.testing.assert_array_equal(given, X)


@needs_xla
@pytest.mark.parametrize(
    ("function", "text", "advice"),
    [
        (branches, "if x.sum()", "use ops.where"),
        (counts_in_python, "int(x[0])", "static option"),
        (calls_numpy, "np.exp", "pulse_ai.numerics.ops"),
        (masks, "x > 0", "ops.where"),
    ],
)
def test_what_does_not_compile_is_refused_by_line(function: Any, text: str, advice: str) -> None:
    with pytest.raises(PurityError, match=advice) as error:
        jit(function, compiler="xla")(X)
    assert str(error.value).startswith(line_of(function, text))


def test_the_evaluator_runs_a_branch_and_warns_at_its_line() -> None:
    with pytest.warns(PurityWarning, match=r"use ops.where or cond") as seen:
        jit(branches, compiler="evaluator")(X)
    assert f"{seen[0].filename}:{seen[0].lineno}" == line_of(branches, "if x.sum()")


def test_the_evaluator_may_be_printed_and_formatted(capsys: pytest.CaptureFixture[str]) -> None:
    def shown(x: Any) -> Any:
        print(x, f"{x[1]:.2f}", repr(x))  # noqa: T201 - what the test is about
        return x

    jit(shown, compiler="evaluator")(X)
    assert capsys.readouterr().out == "[0. 1. 2.] 1.00 EagerArray([0., 1., 2.], dtype=float32)\n"


@needs_xla
def test_printing_while_compiling_is_warned_about() -> None:
    def shown(x: Any) -> Any:
        print(x)  # noqa: T201 - what the test is about
        return x

    with pytest.warns(PurityWarning, match=r"use print_value\(x\)") as seen:
        jit(shown, compiler="xla")(X)
    assert f"{seen[0].filename}:{seen[0].lineno}" == line_of(shown, "print(x)")


def test_print_value_prints_at_each_call(compiler: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shown = jit(lambda x: print_value(x, label="x is ") * 2.0, compiler=compiler)
    for _ in range(2):
        np.asarray(shown(X))
    if compiler == "xla":
        __import__("jax").effects_barrier()
    assert capsys.readouterr().out == "x is [0. 1. 2.]\n" * 2


def test_a_global_that_changes_is_refused(compiler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scaled = jit(lambda x: x * SCALE, compiler=compiler)
    scaled(X)
    monkeypatch.setattr(inspect.getmodule(test_a_global_that_changes_is_refused), "SCALE", 2.0)
    scaled(X)
    scaled.function.__globals__["SCALE"] = 3.0
    try:
        with pytest.raises(
            PurityError, match=r"the global 'SCALE' changed from 2.0 to 3.0 after .* compiled"
        ):
            scaled(X)
    finally:
        scaled.function.__globals__["SCALE"] = 2.0


@needs_xla
def test_what_an_inner_defn_reads_is_watched_too() -> None:
    scale = 2.0
    inner = defn(lambda x: x * scale)
    outer = jit(lambda x: inner(x) + 1.0, compiler="xla")
    outer(X)
    scale = 3.0
    with pytest.raises(PurityError, match=r"'scale' changed from 2.0 to 3.0"):
        outer(X)


@needs_xla
def test_both_compilers_look_at_the_code() -> None:
    def shown(x: Any) -> Any:
        print("tracing")  # noqa: T201 - what the test is about
        return x

    either = defn(shown)
    with using_compiler("evaluator"), warnings.catch_warnings():
        warnings.simplefilter("error")
        either(X)
    with using_compiler("xla"), pytest.warns(PurityWarning, match="print_value"):
        either(X)


def test_an_enclosing_list_that_changes_in_place_is_refused(compiler: Any) -> None:
    factors = [1.0, 2.0]
    scaled = jit(lambda x: x * factors[0], compiler=compiler)
    scaled(X)
    factors[0] = 5.0
    with pytest.raises(PurityError, match=r"the enclosing 'factors' changed in place, from \[1.0, 2.0\] to"):
        scaled(X)


def test_arrays_in_an_enclosing_dict_or_list_are_compared_by_value(compiler: Any) -> None:
    factors: Any = {"by": [np.array([1.0, 2.0, 3.0], np.float32)]}
    scaled = jit(lambda x: x * factors["by"][0], compiler=compiler)
    scaled(X)
    factors = {"by": [np.array([1.0, 2.0, 3.0], np.float32)]}
    scaled(X)
    factors["by"] = [np.array([1.0, 2.0, 4.0], np.float32)]
    with pytest.raises(PurityError, match=r"the enclosing 'factors' changed from"):
        scaled(X)


@needs_xla
def test_a_large_captured_array_is_warned_about_by_name() -> None:
    with pytest.warns(PurityWarning, match=r"the global array 'TABLE' \(120000 bytes\) is baked into"):
        jit(lambda x: x.sum() + TABLE.sum(), compiler="xla")(X)


@needs_xla
def test_a_small_captured_array_is_not_warned_about() -> None:
    small = np.ones(3, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jit(lambda x: x + small, compiler="xla")(X)


def test_a_change_to_the_outside_is_warned_about() -> None:
    def keeps(x: Any) -> Any:
        SEEN.append(1)
        return x

    def counts(x: Any) -> Any:
        global count  # noqa: PLW0603 - what the test is about
        count += 1
        return x

    with pytest.warns(PurityWarning, match="'SEEN' outside of the function is changed"):
        jit(keeps)(X)
    with pytest.warns(PurityWarning, match="'count' outside of the function is assigned") as seen:
        jit(counts, compiler="evaluator")(X)
    assert f"{seen[0].filename}:{seen[0].lineno}" == line_of(counts, "count += 1")


@needs_xla
def test_a_leaked_array_is_refused_when_it_is_used() -> None:
    kept: dict[str, Any] = {}

    def leaks(x: Any) -> Any:
        kept["x"] = x
        return x

    jit(leaks, compiler="xla")(X)
    with pytest.raises(PurityError, match="return it instead of storing it"):
        jit(lambda x: x + kept.get("x"), compiler="xla")(X)


@needs_xla
def test_an_answer_that_is_no_array_is_refused() -> None:
    with pytest.raises(PurityError.__mro__[1], match="what it gives back is not an array"):
        jit(lambda x: "text", compiler="xla")(X)


def test_modules_functions_and_other_defns_are_not_captured_values() -> None:
    inner = defn(lambda x: x + 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jit(lambda x: ops.exp(inner(x)))(X)
