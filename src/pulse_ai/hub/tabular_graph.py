"""One graph from a row's numbers and codes to scores: the recipe's, the network's, and what makes scores."""

__all__ = ("join_graphs",)

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from pulse_ai.core import TargetError
from pulse_ai.frame import FittedRecipe

if TYPE_CHECKING:
    import onnx

_FLOAT, _DOUBLE = 1, 11  # onnx.TensorProto.FLOAT, DOUBLE


def join_graphs(
    recipe: FittedRecipe,
    network: "onnx.ModelProto",
    *,
    classes: int,
    offset: float = 0.0,
    scale: float = 1.0,
) -> "onnx.ModelProto":
    """Return the graph that is served.

    Args:
        recipe: Gives ``features`` from ``numbers`` and ``codes``.
        network: One input, float32 [batch, width], and one output, float32 [batch, outputs], with the same
            operators' version as the recipe's graph.
        classes: How many labels there are; 0 for regression. Two labels may have one output, the logit of
            the second; otherwise there is an output for each.
        offset: Regression: the answer is ``output * scale + offset``.
        scale: See ``offset``.

    Returns:
        A graph whose output is ``scores`` float32 [batch, classes], which sum to 1, or ``value`` float64
        [batch, 1]: a target such as a time in seconds has more digits than 32 bits hold.

    Raises:
        TargetError: The two do not fit together.
    """
    from onnx import checker, compose

    first: Any = recipe.to_onnx()
    second: Any = compose.add_prefix(network, "network/")
    _check_fit(first, second)
    second.ir_version = first.ir_version
    source, output = second.graph.input[0].name, second.graph.output[0].name
    joined: Any = compose.merge_models(first, second, io_map=[("features", source)])
    ending = _add_ending(joined, output, classes, offset, scale)
    del joined.graph.output[:]
    joined.graph.output.append(_value_info(*ending))
    joined.producer_name = "pulse"
    checker.check_model(joined, full_check=True)
    return joined


def _check_fit(recipe: Any, network: Any) -> None:
    versions = [
        {(one.domain or "", one.version) for one in model.opset_import} for model in (recipe, network)
    ]
    if versions[0] != versions[1]:
        raise TargetError(f"the recipe's graph uses operators {versions[0]}, the network's {versions[1]}")
    if len(network.graph.input) != 1 or len(network.graph.output) != 1:
        raise TargetError(
            f"the network's graph has {len(network.graph.input)} inputs and {len(network.graph.output)} "
            "outputs; it must have one of each"
        )


def _add_ending(joined: Any, output: str, classes: int, offset: float, scale: float) -> tuple[str, int, int]:
    """Add what turns the network's output into the answer; return the answer's name, width and type."""
    from onnx import helper, numpy_helper

    make = cast("Any", helper).make_node
    add, constant = joined.graph.node.append, joined.graph.initializer.append
    outputs = _outputs(joined, output)
    if not classes:
        constant(numpy_helper.from_array(np.array([scale], np.float64), "answer/scale"))
        constant(numpy_helper.from_array(np.array([offset], np.float64), "answer/offset"))
        add(make("Cast", [output], ["answer/double"], to=_DOUBLE, name="answer/double"))
        add(make("Mul", ["answer/double", "answer/scale"], ["answer/scaled"], name="answer/scaled"))
        add(make("Add", ["answer/scaled", "answer/offset"], ["value"], name="value"))
        return "value", 1, _DOUBLE
    if outputs == 1 and classes == 2:
        add(make("Neg", [output], ["answer/against"], name="answer/against"))
        add(make("Concat", ["answer/against", output], ["answer/both"], axis=1, name="answer/both"))
        add(make("Sigmoid", ["answer/both"], ["scores"], name="scores"))
    elif outputs in (classes, 0):
        add(make("Softmax", [output], ["scores"], axis=1, name="scores"))
    else:
        raise TargetError(f"the network has {outputs} outputs for {classes} labels")
    return "scores", classes, _FLOAT


def _outputs(joined: Any, name: str) -> int:
    """Return how many outputs the network has; 0 where its graph does not say."""
    info = next(one for one in joined.graph.output if one.name == name)
    shape = info.type.tensor_type.shape.dim
    return int(shape[-1].dim_value) if len(shape) else 0


def _value_info(name: str, width: int, kind: int) -> Any:
    from onnx import helper

    return cast("Any", helper).make_tensor_value_info(name, kind, ["batch", width])
