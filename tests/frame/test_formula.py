"""Formulas: what they mean, and that nothing else than a formula is ever run."""

__all__ = ()

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_ai.frame import FormulaError
from pulse_ai.frame.formula import parse_formula

_NULL = float("nan")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x + y * 2", 11.0),
        ("-(x - y) / 2", 0.5),
        ("+x ** 2", 9.0),
        ("x > y", 0.0),
        ("x <= 3 and not y == 3", 1.0),
        ("x != 3 or y >= 4 or y < 0", 1.0),
        ("1 if x > 2 else 0", 1.0),
        ("min(x, y, 1)", 1.0),
        ("max(x, y)", 4.0),
        ("abs(y - 9) + floor(x / 2) + ceil(x / 2)", 8.0),
        ("sqrt(y) + log(exp(x))", 5.0),
        ("fill(n, 7)", 7.0),
        ("is_null(n) + is_null(x)", 1.0),
        ("x + col('a b')", 8.0),
        ("x + True", 4.0),
        ("n + 1", _NULL),
        ("n ** 0", _NULL),
        ("n > 0", _NULL),
        ("max(n, 1)", _NULL),
        ("min(x, n)", _NULL),
        ("1 if n > 0 else 2", _NULL),
        ("n == 1 or x == 3", _NULL),
        ("log(0 - x)", _NULL),
        ("fill(0 * x / 0, 5)", 5.0),
        ("1 / (x - 3)", float("inf")),
    ],
)
def test_a_formula_means_what_it_says(text: str, value: float) -> None:
    columns = {"x": 3.0, "y": 4.0, "n": _NULL, "a b": 5.0}
    found = parse_formula(text).values({name: np.array([one, one]) for name, one in columns.items()})
    assert np.array_equal(found, [value, value], equal_nan=True)


@pytest.mark.parametrize(
    "text",
    [
        "", "  ", "1 + 1", "x +", "x; y", "x = 1", "x := 1", "import os", "__import__('os')", "x.real", "x[0]",
        "f'{x}'", "lambda: x", "[x]", "{x}", "x @ y", "x % 2", "x // 2", "x & y", "~x", "x < y < 3", "x is y",
        "x in y", "x + 'a'", "x + None", "abs(x, x)", "log()", "min(x)", "log(x, base=2)", "eval(x)", "x(1)",
        "col(x)", "col('x', 1)", "x + 1e999", "x + 1j", "x + 1" * 60 + "0" * 1000, "(" * 500 + "x" + ")" * 500,
        "x" + "+x" * 300, "x\0", "await x", "(yield)", "x if y", "*x", "x + ...",
    ],
)  # fmt: skip
def test_what_is_no_formula_is_told(text: str) -> None:
    with pytest.raises(FormulaError, match="formula"):
        parse_formula(text)


@given(text=st.text("xy+-*/()<>=.,1 'abslogmincoifel\n", max_size=30))
def test_any_text_is_a_formula_or_our_error(text: str) -> None:
    try:
        formula = parse_formula(text)
    except FormulaError:
        return
    found = formula.values({name: np.ones(2) for name in formula.columns})
    assert found.shape == (2,)
