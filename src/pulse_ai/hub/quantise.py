"""From fp32 to dynamic int8: matrices and embedding tables as bytes, activations rounded as they come."""

__all__ = ("RECIPE", "has_wide_products", "quantise")

import platform
from pathlib import Path
from typing import Any

from pulse_ai.core import LoadFailed

RECIPE = "int8-2"
"""Part of the cache's key: a new word makes every quantised model be made again."""

_OPERATORS = ["MatMul", "Gather", "Attention"]
_FEW_COLUMNS = 32  # a head this narrow costs nothing in fp32, and every error in it is an error of the score
_PREPARED = {
    "onnx.quant.pre_process": "onnxruntime.quant"
}  # without this mark the quantiser writes a remark to the root logger
_CPUINFO = Path("/proc/cpuinfo")


def quantise(source: Path, target: Path) -> None:
    """Write the int8 form of an fp32 graph.

    Weights are signed bytes with a scale for each output column. Where the processor adds products of bytes
    in 16 bits, weights keep 7 bits, because two full products do not fit there.

    Raises:
        LoadFailed: The graph cannot be read or quantised.
    """
    import onnx
    from onnxruntime import quantization

    library: Any = quantization
    try:
        model: Any = onnx.load(str(source))
        onnx.helper.set_model_props(model, _PREPARED)
        _name_nodes(model.graph)
        library.quantize_dynamic(
            model,
            str(target),
            op_types_to_quantize=_OPERATORS,
            nodes_to_exclude=_narrow_products(model.graph),
            per_channel=True,
            reduce_range=not has_wide_products(),
            weight_type=library.QuantType.QInt8,
            extra_options={
                "DefaultTensorType": onnx.TensorProto.FLOAT
            },  # where shape inference knows no type
        )
    except Exception as error:  # its exceptions share no class but Exception
        raise LoadFailed(f"{source} cannot be quantised: {error}; serve it with precision fp32") from error


def has_wide_products(cpuinfo: str | None = None, machine: str | None = None) -> bool:
    """Return whether this processor adds products of bytes in 32 bits (VNNI, or any ARM).

    Args:
        cpuinfo: The text of ``/proc/cpuinfo``; None reads it.
        machine: The processor's architecture; None asks the system.

    Example:
        >>> has_wide_products("flags : sse4_2 avx2", "x86_64")
        False
    """
    if (machine or platform.machine()).lower() not in {"x86_64", "amd64", "i686"}:
        return True
    if cpuinfo is None:
        cpuinfo = _CPUINFO.read_text() if _CPUINFO.is_file() else ""
    return "vnni" in cpuinfo


def _name_nodes(graph: Any) -> None:
    """Name the nodes without a name, which ONNX allows: left out by name, one would leave out all of them."""
    for number, node in enumerate(graph.node):
        node.name = node.name or f"pulse/{number}"


def _narrow_products(graph: Any) -> list[str]:
    """Return the names of products with a matrix of few columns: the classifier's last layer."""
    columns = {tensor.name: tensor.dims[1] for tensor in graph.initializer if len(tensor.dims) == 2}
    return [
        node.name
        for node in graph.node
        if node.op_type == "MatMul" and columns.get(node.input[1], _FEW_COLUMNS) < _FEW_COLUMNS
    ]
