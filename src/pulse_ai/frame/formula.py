"""Formulas of derived columns: text that is read into a tree of known operations, and never run as code.

A formula looks like a Python or Polars expression and is parsed by Python's own grammar, but only the names
below mean anything. It is saved as its text. Each operation has one meaning, written twice side by side: for
NumPy arrays and for an ONNX graph. NaN is null: an operation on a null gives null, and so does one without a
result (the logarithm of -1). A condition is 1 or 0.
"""

__all__ = ("FUNCTIONS", "Formula", "Node", "parse_formula")

import ast
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pulse_ai.frame.errors import FormulaError
from pulse_ai.frame.graph import GraphWriter

Array = NDArray[np.float64]
Value = TypeVar("Value")

_MOST_CHARACTERS = 1000
_MOST_NODES = 200
_HELP = (
    "a formula has column names (or col('any name')), numbers, + - * / **, comparisons, and/or/not, "
    "'a if condition else b', and the functions abs ceil exp fill floor is_null log max min sqrt"
)

FUNCTIONS: Mapping[str, int] = {
    "abs": 1, "ceil": 1, "exp": 1, "fill": 2, "floor": 1, "is_null": 1, "log": 1, "max": 2, "min": 2, "sqrt": 1,
}  # fmt: skip
"""The functions of a formula and how many arguments each takes."""

_OPERATORS: Mapping[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow", ast.USub: "neg",
    ast.Not: "not", ast.And: "and", ast.Or: "or", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
    ast.Eq: "eq", ast.NotEq: "ne",
}  # fmt: skip


class Node(NamedTuple):
    """One operation: ``column`` and ``number`` are leaves, with a name or a number in ``leaf``."""

    name: str
    parts: tuple["Node", ...] = ()
    leaf: str | float = ""


class Formula(NamedTuple):
    """A formula that has been read.

    Attributes:
        root: Its tree.
        columns: The columns it reads, each once, in the order they stand.

    Example:
        >>> parse_formula("weight / height ** 2").columns
        ('weight', 'height')
    """

    root: Node
    columns: tuple[str, ...]

    @property
    def mends_nulls(self) -> bool:
        """Whether it may give a number where a column is null, by ``fill`` or ``is_null``."""
        return any(node.name in ("fill", "is_null") for node in _walk(self.root))

    def values(self, columns: Mapping[str, Array]) -> Array:
        """Return the result for arrays of one shape; NaN where it is null.

        Example:
            >>> parse_formula("fill(a, 0) + 1").values({"a": np.array([1.0, np.nan])})
            array([2., 1.])
        """
        rows = len(next(iter(columns.values())))
        with np.errstate(all="ignore"):
            result = _fold(self.root, lambda name: columns[name], np.float64, _in_numpy)
        return np.broadcast_to(result, rows).copy()

    def emit(self, graph: GraphWriter, columns: Mapping[str, str]) -> str:
        """Write the operations into a graph; return the result's name, of shape [batch, 1]."""

        def apply(name: str, *parts: str) -> str:
            return _in_onnx(graph, name, *parts)

        return _fold(
            self.root, lambda name: columns[name], lambda value: graph.constant(np.array([value])), apply
        )


def parse_formula(text: str) -> Formula:
    """Read a formula.

    Raises:
        FormulaError: It is not one; the text says what is allowed.

    Example:
        >>> parse_formula("__import__('os')")
        Traceback (most recent call last):
        pulse_ai.frame.errors.FormulaError: formula "__import__('os')": __import__ is no function here; ...
    """
    if not text.strip() or len(text) > _MOST_CHARACTERS:
        raise FormulaError(f"a formula has 1 to {_MOST_CHARACTERS} characters, this has {len(text)}; {_HELP}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        root = _read(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = getattr(error, "msg", None) or str(error)
        raise FormulaError(f"formula {text!r}: {why}; {_HELP}") from error
    nodes = list(_walk(root))
    if len(nodes) > _MOST_NODES:
        raise FormulaError(
            f"formula {text[:40]!r}...: {len(nodes)} operations; at most {_MOST_NODES} are allowed"
        )
    columns = tuple(dict.fromkeys(str(node.leaf) for node in nodes if node.name == "column"))
    if not columns:
        raise FormulaError(f"formula {text!r}: it reads no column, so it would be the same for every row")
    return Formula(root, columns)


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for part in node.parts:
        yield from _walk(part)


def _read(tree: ast.AST) -> Node:
    """Turn Python's tree into ours.

    Raises:
        ValueError: Something stands there that no formula has.
    """
    match tree:
        case (
            ast.Name(id=name)
            | ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=str() as name)], keywords=[])
        ):
            return Node("column", leaf=name)
        case ast.Constant(value=bool() | int() | float() as number):
            return Node("number", leaf=_finite(number))
        case ast.Call(func=ast.Name(id=name), args=given, keywords=[]):
            return _call(name, given)
        case _:
            return _read_operator(tree)


def _read_operator(tree: ast.AST) -> Node:
    match tree:
        case ast.BinOp(left=left, op=op, right=right) | ast.Compare(left=left, ops=[op], comparators=[right]):
            return Node(_operator(op), (_read(left), _read(right)))
        case ast.UnaryOp(op=op, operand=operand):
            return _read(operand) if isinstance(op, ast.UAdd) else Node(_operator(op), (_read(operand),))
        case ast.BoolOp(op=op, values=[first, *rest]):
            nodes = (_read(part) for part in rest)
            return functools.reduce(
                lambda left, right: Node(_operator(op), (left, right)), nodes, _read(first)
            )
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return Node("if", (_read(test), _read(body), _read(orelse)))
        case _:
            raise ValueError(f"{ast.unparse(tree)} cannot stand in a formula")


def _call(name: str, given: list[ast.expr]) -> Node:
    if name not in FUNCTIONS:
        raise ValueError(f"{name} is no function here")
    if name in ("max", "min") and len(given) > 2:
        return Node(name, (_read(given[0]), _call(name, given[1:])))
    if len(given) != FUNCTIONS[name]:
        raise ValueError(f"{name} takes {FUNCTIONS[name]} argument(s), not {len(given)}")
    return Node(name, tuple(_read(part) for part in given))


def _finite(number: float) -> float:
    try:
        value = float(number)
    except OverflowError:
        value = float("inf")
    if not np.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _operator(op: ast.AST) -> str:
    if type(op) not in _OPERATORS:
        raise ValueError(f"the operator {type(op).__name__} cannot stand in a formula")
    return _OPERATORS[type(op)]


def _fold(
    node: Node,
    column: Callable[[str], Value],
    number: Callable[[float], Value],
    apply: Callable[..., Value],
) -> Value:
    if node.name == "column":
        return column(str(node.leaf))
    if node.name == "number":
        return number(float(node.leaf))
    return apply(node.name, *(_fold(part, column, number, apply) for part in node.parts))


_NUMPY: Mapping[str, Any] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "pow": np.power, "neg": np.negative,
    "abs": np.abs, "ceil": np.ceil, "exp": np.exp, "floor": np.floor, "log": np.log, "sqrt": np.sqrt,
    "min": np.minimum, "max": np.maximum, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
    "and": np.logical_and, "or": np.logical_or, "not": np.logical_not,
}  # fmt: skip
_ONNX: Mapping[str, str] = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow", "neg": "Neg", "abs": "Abs",
    "ceil": "Ceil", "exp": "Exp", "floor": "Floor", "log": "Log", "sqrt": "Sqrt", "min": "Min", "max": "Max",
    "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual", "eq": "Equal",
}  # fmt: skip
# These give a number even where an argument is NaN, so nulls are put back by hand.
_FORGETS_NULLS = frozenset(("pow", "min", "max", "lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not"))
_CONDITIONS = frozenset(("lt", "le", "gt", "ge", "eq"))


def _in_numpy(name: str, *parts: Array) -> Array:
    match name, parts:
        case "is_null", (a,):
            return np.isnan(a).astype(np.float64)
        case "fill", (a, b):
            return np.where(np.isnan(a), b, a)
        case "if", (condition, a, b):
            return np.where(np.isnan(condition), np.nan, np.where(condition != 0, a, b))
        case _:
            result: Array = _NUMPY[name](*parts)
    return np.where(_any_null(*parts), np.nan, result) if name in _FORGETS_NULLS else result


def _any_null(*parts: Array) -> NDArray[np.bool_]:
    return np.isnan(parts[0]) | np.isnan(parts[-1])


def _in_onnx(graph: GraphWriter, name: str, *parts: str) -> str:
    match name, parts:
        case "is_null", (a,):
            return graph.cast(graph.add("IsNaN", a), np.float64)
        case "fill", (a, b):
            return graph.add("Where", graph.add("IsNaN", a), b, a)
        case "if", (condition, a, b):
            return _with_nulls(graph, graph.add("Where", _truth(graph, condition), a, b), condition)
        case _:
            result = _operation(graph, name, *parts)
    return _with_nulls(graph, result, *parts) if name in _FORGETS_NULLS else result


def _operation(graph: GraphWriter, name: str, *parts: str) -> str:
    if name in ("and", "or"):
        condition = graph.add(name.capitalize(), *(_truth(graph, part) for part in parts))
    elif name == "not":
        condition = graph.add("Not", _truth(graph, parts[0]))
    elif name == "ne":
        condition = graph.add("Not", graph.add("Equal", *parts))
    elif name in _CONDITIONS:
        condition = graph.add(_ONNX[name], *parts)
    else:
        return graph.add(_ONNX[name], *parts)
    return graph.cast(condition, np.float64)


def _truth(graph: GraphWriter, part: str) -> str:
    return graph.add("Not", graph.add("Equal", part, graph.constant(np.zeros(1))))


def _with_nulls(graph: GraphWriter, result: str, *parts: str) -> str:
    null = graph.constant(np.array([np.nan]))
    for part in dict.fromkeys(parts):
        result = graph.add("Where", graph.add("IsNaN", part), null, result)
    return result
