"""A network as a table and as a Mermaid picture."""

__all__ = ("LayerLine", "layer_lines", "mermaid_of", "table_of")

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from pulse_ai.train import layers as spec
from pulse_ai.train.network import Network, variable_shapes
from pulse_ai.train.shapes import shapes_along
from pulse_ai.train.xla import jax


@dataclass(frozen=True, slots=True)
class LayerLine:
    """One layer of a network.

    Attributes:
        name: As its parameters are called, such as ``dense_0``.
        settings: What it was made with, such as ``width=64, activation=relu``.
        shape: What comes out for one row.
        parameters: How many numbers it learns.
    """

    name: str
    settings: str
    shape: tuple[int, ...]
    parameters: int


def layer_lines(network: Network) -> list[LayerLine]:
    """Return a line for each layer; no weights are made.

    Example:
        >>> from pulse_ai.train import mlp
        >>> layer_lines(mlp(4, 3, hidden=(8,)))[0]
        LayerLine(name='dense_0', settings='width=8, activation=relu', shape=(8,), parameters=40)
    """
    wanted: Any = variable_shapes(network)
    shapes = shapes_along(network.layers, network.input_shape)
    lines: list[LayerLine] = []
    for number, (layer, shape) in enumerate(zip(network.layers, shapes, strict=True)):
        name = f"{spec.kind_of(layer)}_{number}"
        # A layer may have more than one entry: a second cell, or the map of a residual.
        own = [part for key, part in wanted["params"].items() if key == name or key.startswith(f"{name}_")]
        count = sum(int(math.prod(leaf.shape)) for leaf in jax.tree.leaves(own))
        lines.append(LayerLine(name, _settings(layer), shape, count))
    return lines


def _settings(layer: spec.AnyLayer) -> str:
    if isinstance(layer, spec.Residual):
        return " + ".join(spec.kind_of(one) for one in layer.layers)
    changed = {
        name: value
        for name, value, default in zip(
            layer.__struct_fields__,
            msgspec.structs.astuple(layer),
            _defaults(layer),
            strict=True,
        )
        if value != default
    }
    return ", ".join(f"{name}={_word(value)}" for name, value in changed.items())


def _defaults(layer: spec.AnyLayer) -> Iterator[Any]:
    for field in msgspec.structs.fields(layer):
        yield field.default


def _word(value: Any) -> str:
    return (
        "x".join(str(one) for one in cast("tuple[Any, ...]", value))
        if isinstance(value, tuple)
        else str(value)
    )


def table_of(network: Network) -> str:
    """Return the layers as a Markdown table, with the number of parameters.

    Example:
        >>> from pulse_ai.train import mlp
        >>> print(table_of(mlp(4, 3, hidden=(8,))))
        | layer   | settings                 | output | parameters |
        |---------|--------------------------|--------|------------|
        | input   | float32                  | 4      | 0          |
        | dense_0 | width=8, activation=relu | 8      | 40         |
        | dense_1 | width=3                  | 3      | 27         |
        | total   | 268 bytes                |        | 67         |
    """
    lines = layer_lines(network)
    total = sum(line.parameters for line in lines)
    cells = [
        ("layer", "settings", "output", "parameters"),
        ("input", network.input_dtype, _size(network.input_shape), "0"),
        *((line.name, line.settings, _size(line.shape), f"{line.parameters:,}") for line in lines),
        ("total", f"{4 * total:,} bytes", "", f"{total:,}"),
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rows = [_row(row, widths) for row in cells]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([rows[0], rule, *rows[1:]])


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def mermaid_of(network: Network) -> str:
    """Return a Mermaid flowchart of the layers: residuals are boxes with a way round them.

    Example:
        >>> from pulse_ai.train import mlp
        >>> print(mermaid_of(mlp(4, 3, hidden=())))
        flowchart TD
          input(["input: 4"])
          dense_0["dense_0: width=3"]
          input -->|4| dense_0
          output(["output: 3"])
          dense_0 -->|3| output
    """
    lines = ["flowchart TD", f'  input(["input: {_size(network.input_shape)}"])']
    last = _drawn(network.layers, network.input_shape, "input", "", lines)
    shape = _size(network.output_shape)
    lines += [f'  output(["output: {shape}"])', f"  {last} -->|{shape}| output"]
    return "\n".join(lines)


def _drawn(
    layers: Sequence[spec.AnyLayer], shape: tuple[int, ...], before: str, prefix: str, lines: list[str]
) -> str:
    """Add the lines of some layers; return the name of the last node."""
    for number, (layer, after) in enumerate(zip(layers, shapes_along(layers, shape), strict=True)):
        name = f"{prefix}{spec.kind_of(layer)}_{number}"
        if isinstance(layer, spec.Residual):
            inner = _drawn(layer.layers, shape, before, f"{name}_", lines)
            lines += [
                f'  {name}(("+"))',
                f"  {inner} -->|{_size(after)}| {name}",
                f"  {before} -->|{_size(shape)}| {name}",
            ]
        else:
            label = f"{name}: {_settings(layer)}".removesuffix(": ")
            lines += [f'  {name}["{label}"]', f"  {before} -->|{_size(shape)}| {name}"]
        before, shape = name, after
    return before
