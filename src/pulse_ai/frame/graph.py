"""Writes an ONNX graph: named nodes and constants, and which tensor holds which of the recipe's numbers."""

__all__ = ("IR_VERSION", "OPSET", "GraphWriter")

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

OPSET = 17
"""The version of the operators in every graph that Pulse writes for tables."""

IR_VERSION = 8
"""The version of the file format that came with it; every onnxruntime since 1.13 reads it."""


class GraphWriter:
    """Collects nodes. Numbers of the recipe are columns of tensors: ``take`` gathers, ``put`` replaces them.

    Args:
        numbers: How many numbers come in, as the columns of the input ``numbers``.
    """

    def __init__(self, numbers: int) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._initializers: list[Any] = []
        self._places: dict[int, tuple[str, int]] = {number: ("numbers", number) for number in range(numbers)}
        self._widths = {"numbers": numbers}

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        from onnx import helper

        name = output or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(cast("Any", helper).make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, array: NDArray[Any]) -> str:
        """Return the name of a constant; equal ones are kept once."""
        from onnx import numpy_helper

        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self._constants[key] = name
            self._initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return self._constants[key]

    def cast(self, name: str, dtype: Any) -> str:
        """Add a cast."""
        from onnx import helper

        to = cast("Any", helper).np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.add("Cast", name, to=to)

    def take(self, ids: Sequence[int]) -> str:
        """Return a tensor [batch, len(ids)] of these numbers, in this order."""
        runs: list[tuple[str, list[int]]] = []
        for number in ids:
            tensor, column = self._places[number]
            if runs and runs[-1][0] == tensor:
                runs[-1][1].append(column)
            else:
                runs.append((tensor, [column]))
        parts = [self.gather(tensor, columns) for tensor, columns in runs]
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=1)

    def gather(self, tensor: str, columns: Sequence[int]) -> str:
        """Return these columns of a tensor; the tensor itself where that is all of it."""
        if list(columns) == list(range(self._widths.get(tensor, -1))):
            return tensor
        return self.add("Gather", tensor, self.constant(np.array(columns, np.int64)), axis=1)

    def put(self, ids: Sequence[int], tensor: str) -> None:
        """Say that the columns of a tensor are these numbers now."""
        self._widths[tensor] = len(ids)
        self._places |= {number: (tensor, column) for column, number in enumerate(ids)}

    def finish(self, *, numbers: int, codes: int, width: int) -> Any:
        """Return the model: ``numbers`` and ``codes`` to ``features``, which a node must have written."""
        from onnx import TensorProto, helper

        make: Any = helper
        types: Any = TensorProto
        graph = make.make_graph(
            self._nodes,
            "recipe",
            [
                make.make_tensor_value_info("numbers", types.DOUBLE, ["batch", numbers]),
                make.make_tensor_value_info("codes", types.INT64, ["batch", codes]),
            ],
            [make.make_tensor_value_info("features", types.FLOAT, ["batch", width])],
            self._initializers,
        )
        return make.make_model(
            graph, opset_imports=[make.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="pulse"
        )
