"""A small builder of ONNX graphs: each method adds a node and returns the name of its output."""

__all__ = ("Graph", "save_graph")

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_OPSET = 17  # the first with LayerNormalization
_IR_VERSION = 8
_MICROSOFT = "com.microsoft"
_EXTERNAL_BYTES = 1_500_000_000  # protobuf ends at 2 GiB; past this, weights go into a file beside the graph


class Graph:
    """Collects nodes and constants, then becomes an ONNX model.

    Example:
        >>> graph = Graph()
        >>> graph.add("Relu", "x"), graph.add("Relu", "relu_0")
        ('relu_0', 'relu_1')
    """

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self._counts: dict[str, int] = {}

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output and return the output's name; ``""`` leaves an optional input out."""
        return self._append(op, inputs, attributes, "")

    def add_microsoft(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of ONNX Runtime's own operators and return its output's name."""
        return self._append(op, inputs, attributes, _MICROSOFT)

    def constant(self, name: str, values: NDArray[Any] | Sequence[int] | float) -> str:
        """Keep values in the graph under a name that is used once; floats as fp32, whole numbers as int64.

        Raises:
            ValueError: The name is taken.
        """
        if name in self._constants:
            raise ValueError(f"the constant {name!r} is already in the graph")
        array = np.asarray(values)
        kind = np.float32 if array.dtype.kind == "f" else np.int64
        self._constants[name] = np.ascontiguousarray(array, dtype=kind).reshape(array.shape)
        return name

    def has_constant(self, name: str) -> bool:
        """Return whether a constant of that name is in the graph."""
        return name in self._constants

    def model(self, inputs: Sequence[str], output: str, columns: int) -> Any:
        """Return the ONNX model.

        Args:
            inputs: Names of the int64 inputs of shape (batch, length).
            output: Name of the node output that becomes ``logits``, of shape (batch, columns).
            columns: Numbers in one row of the output.
        """
        from onnx import TensorProto, helper, numpy_helper

        self._nodes.append(helper.make_node("Identity", [output], ["logits"]))
        taken = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in inputs
        ]
        given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", columns])
        constants = [numpy_helper.from_array(values, name) for name, values in self._constants.items()]
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_MICROSOFT, 1)]
        graph = helper.make_graph(self._nodes, "classifier", taken, [given], constants)
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="pulse_ai"
        )

    def _append(self, op: str, inputs: Sequence[str], attributes: Mapping[str, Any], domain: str) -> str:
        from onnx import helper

        number = self._counts.get(op, 0)
        self._counts[op] = number + 1
        name = f"{op.lower()}_{number}"
        self._nodes.append(helper.make_node(op, list(inputs), [name], name=name, domain=domain, **attributes))
        return name


def save_graph(model: Any, path: Path) -> None:
    """Write a model; weights past protobuf's limit go into ``<name>.data`` beside it."""
    import onnx

    large = sum(len(tensor.raw_data) for tensor in model.graph.initializer) > _EXTERNAL_BYTES
    onnx.save(model, str(path), save_as_external_data=large, location=f"{path.name}.data")
