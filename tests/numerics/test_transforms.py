# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""Gradients, vectorisation, control flow, and hooks."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from pulse_ai.numerics import (
    BadArgument,
    CompilerMissing,
    cond,
    custom_grad,
    defn,
    grad,
    hook,
    jit,
    observing,
    ops,
    scan,
    stop_grad,
    using_compiler,
    value_and_grad,
    vmap,
    while_loop,
    xla_is_installed,
)

needs_xla = pytest.mark.skipif(not xla_is_installed(), reason="JAX is not installed")
X = np.arange(3, dtype=np.float32)


@needs_xla
def test_grad_of_a_tree_has_the_same_tree() -> None:
    loss = defn(lambda weights, x: ((weights["w"] * x + weights["b"]) ** 2).sum())
    slopes = grad(loss)({"w": X, "b": np.ones(3, np.float32)}, X)
    np.testing.assert_allclose(slopes["w"], 2 * (X * X + 1) * X, rtol=1e-6)
    np.testing.assert_allclose(slopes["b"], 2 * (X * X + 1), rtol=1e-6)


@needs_xla
@settings(deadline=None, max_examples=10)
@given(x=hnp.arrays(np.float32, (4,), elements={"min_value": -2, "max_value": 2}))
def test_grad_is_what_small_differences_say(x: Any) -> None:
    def bent(v: Any) -> Any:
        return (ops.tanh(v) * ops.exp(-v * v)).sum()

    slope, step = np.asarray(grad(bent)(x)), 1e-4
    for place in range(4):
        moved = [x.astype(np.float64) + sign * step * (np.arange(4) == place) for sign in (1, -1)]
        up, down = (float((np.tanh(v) * np.exp(-v * v)).sum()) for v in moved)
        assert slope[place] == pytest.approx((up - down) / (2 * step), abs=1e-4)


@needs_xla
def test_value_and_grad_hands_the_rest_through() -> None:
    (value, rest), slope = value_and_grad(lambda x: ((x**2).sum(), {"kept": x}), has_aux=True)(X)
    assert float(value) == 5.0
    np.testing.assert_array_equal(rest["kept"], X)
    np.testing.assert_array_equal(slope, 2 * X)


@needs_xla
def test_grad_by_several_arguments_and_with_options() -> None:
    def weighed(x: Any, y: Any, *, times: float = 1.0) -> Any:
        return (x * y).sum() * times

    one, other = grad(weighed, argument=(0, 1))(X, X + 1, times=3.0)
    np.testing.assert_array_equal(one, (X + 1) * 3)
    np.testing.assert_array_equal(other, X * 3)


@needs_xla
def test_grad_of_the_same_function_is_compiled_once() -> None:
    for _ in range(3):
        grad(hooked)(X)
    assert grad(hooked).statistics().compilations == 1
    assert vmap(hooked) is vmap(hooked)


@needs_xla
def test_the_second_derivative_is_the_grad_of_the_grad() -> None:
    assert float(grad(grad(lambda x: x**3))(np.float32(2))) == 12.0


@needs_xla
def test_stop_grad_and_custom_grad_change_the_gradient_alone() -> None:
    held = grad(lambda x: x * stop_grad(x))
    own = custom_grad(lambda x: x**2, lambda given, answer, slope: (slope * given[0] * 100.0,))
    assert float(held(np.float32(3))) == 3.0
    assert float(own(np.float32(3))) == 9.0
    assert float(grad(own)(np.float32(3))) == 300.0


def test_custom_grad_and_stop_grad_are_plain_on_the_evaluator() -> None:
    own = custom_grad(lambda x: x**2, lambda given, answer, slope: (slope,))
    assert float(jit(lambda x: stop_grad(own(x)), compiler="evaluator")(np.float32(3))) == 9.0


def test_grad_on_the_evaluator_says_what_to_do() -> None:
    wanted = "compiler='xla'" if xla_is_installed() else r"pip install 'pulse-ai\[train\]'"
    with using_compiler("evaluator"), pytest.raises(CompilerMissing, match=f"grad needs XLA.*{wanted}"):
        grad(lambda x: x)(np.float32(1))


@pytest.mark.parametrize(("in_axes", "out_axes"), [(0, 0), ((1, None), 0), ((0, None), 1)])
def test_vmap_writes_for_one_item_and_runs_for_all(compiler: Any, in_axes: Any, out_axes: int) -> None:
    matrix, shared = np.arange(6, dtype=np.float32).reshape(2, 3), np.float32(10)
    with using_compiler(compiler):
        if in_axes == 0:
            answer = vmap(lambda row: row * row.sum())(matrix)
            np.testing.assert_array_equal(answer, matrix * matrix.sum(axis=1, keepdims=True))
        else:
            answer = vmap(lambda row, n: row + n, in_axes=in_axes, out_axes=out_axes)(matrix, shared)
            rows = matrix.T if in_axes[0] == 1 else matrix
            np.testing.assert_array_equal(answer, np.moveaxis(rows + 10, 0, out_axes))


def test_vmap_on_the_evaluator_refuses_an_empty_batch() -> None:
    with using_compiler("evaluator"), pytest.raises(BadArgument, match="one batch size above 0"):
        vmap(lambda row: row)(np.zeros((0, 3), np.float32))


@needs_xla
def test_vmap_and_grad_are_combined() -> None:
    slopes = vmap(grad(lambda row: (row**2).sum()))(np.ones((2, 3), np.float32))
    np.testing.assert_array_equal(slopes, np.full((2, 3), 2.0))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_cond_runs_one_side(compiler: Any, sign: float) -> None:
    chosen = jit(lambda x: cond(x.sum() > 0, lambda v: v * 2.0, lambda v: v * 0.0, x), compiler=compiler)
    np.testing.assert_array_equal(chosen(X * np.float32(sign)), X * 2 if sign > 0 else X * -0.0)


def test_while_loop_goes_on_for_as_long_as_it_holds(compiler: Any) -> None:
    def halved(limit: Any, x: Any) -> Any:
        return while_loop(
            lambda state: state[0] > limit, lambda state: (state[0] / 2.0, state[1] + 1), (x, 0)
        )

    value, steps = jit(halved, compiler=compiler)(np.float32(1), np.float32(100))
    assert (float(value), int(steps)) == (0.78125, 7)


def test_scan_carries_and_stacks(compiler: Any) -> None:
    def summed(rows: Any) -> Any:
        return scan(lambda total, row: (total + row["x"], {"total": total}), rows["x"][0] * 0, rows)

    last, kept = jit(summed, compiler=compiler)({"x": np.array([1, 2, 3], np.int32)})
    assert int(last) == 6
    np.testing.assert_array_equal(kept["total"], [0, 1, 3])


def test_scan_counts_without_rows(compiler: Any) -> None:
    counted = jit(lambda x: scan(lambda n, _: (n + 1, None), x, None, length=5), compiler=compiler)
    last, kept = counted(np.int32(0))
    assert (int(last), kept) == (5, None)


def test_scan_through_no_rows_keeps_arrays_without_rows(compiler: Any) -> None:
    def summed(rows: Any) -> Any:
        return scan(lambda total, row: (total + row.sum(), (row * 2, None)), ops.sum(rows), rows)

    total, (kept, nothing) = jit(summed, compiler=compiler)(np.zeros((0, 3), np.float32))
    assert (float(total), kept.shape, kept.dtype, nothing) == (0.0, (0, 3), np.float32, None)


def test_the_evaluator_refuses_to_scan_rows_of_different_length_as_xla_does(compiler: Any) -> None:
    def added(x: Any, y: Any, *, length: int | None = None) -> Any:
        return scan(lambda total, row: (total + row[0] + row[1], None), x[0] * 0, (x, y), length=length)[0]

    run = jit(added, compiler=compiler)
    with pytest.raises((BadArgument, ValueError), match=r"\[?2, 3"):
        run(X[:2], X)
    with pytest.raises((BadArgument, ValueError), match="2"):
        run(X, X, length=2)


@defn
def hooked(x: Any) -> Any:
    doubled = hook("doubled", x * 2.0)
    return hook("answer", {"sum": doubled.sum()})["sum"]


def test_an_observer_is_told_the_value_before_the_call_returns(compiler: Any) -> None:
    seen: list[Any] = []
    with using_compiler(compiler):
        for _ in range(2):
            hooked.observe({"doubled": seen.append})(X)
    assert len(seen) == 2
    np.testing.assert_array_equal(seen[0], X * 2)
    assert type(seen[0]) is np.ndarray


def test_observers_of_a_block_reach_every_function_in_it(compiler: Any) -> None:
    seen: list[Any] = []
    outer = jit(lambda x: hooked(x) + 1.0, compiler=compiler)
    with observing({"answer": seen.append}):
        outer(X)
    outer(X)
    assert [float(value["sum"]) for value in seen] == [6.0]


@needs_xla
def test_a_hook_that_nobody_observes_is_not_in_the_compiled_function() -> None:
    plain = defn(lambda x: {"sum": (x * 2.0).sum()}["sum"])
    with using_compiler("xla"):
        bare = hooked.text_for(X)
        with observing({"doubled": print}):
            watched = hooked.text_for(X)
    assert bare == plain.text_for(X).replace("@jit__lambda", "@jit_hooked")
    assert "callback" not in bare
    assert watched.count("stablehlo.custom_call") == 1


@needs_xla
def test_the_same_observers_do_not_compile_again() -> None:
    seen: list[Any] = []
    told = seen.append
    double = jit(lambda x: hook("x", x) * 2.0, compiler="xla")
    for _ in range(5):
        with observing({"x": told}):
            double(X)
    assert (len(seen), double.statistics().compilations) == (5, 1)


@needs_xla
def test_a_hook_inside_a_loop_is_told_of_each_turn() -> None:
    def step(total: Any, value: Any) -> Any:
        return hook("total", total + value), None

    summed = jit(lambda x: scan(step, x[0] * 0, x)[0], compiler="xla")
    seen: list[Any] = []
    assert float(summed(X)) == 3.0
    with observing({"total": seen.append}):
        summed(X)
    assert [float(value) for value in seen] == [0.0, 1.0, 3.0]
    summed(X)
    assert len(seen) == 3
