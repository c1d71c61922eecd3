"""The folder that ``pulse train`` writes and ``pulse serve`` reads."""

__all__ = ("FORMAT", "ModelFacts", "TabularKind", "write_model_folder")

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from pulse_ai.frame import Column, FittedRecipe

if TYPE_CHECKING:
    import onnx

FORMAT = "pulse-tabular"
TabularKind = Literal["binary", "multiclass", "regression"]


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What ``model.json`` holds.

    Attributes:
        name: Name of the model.
        task: ``binary``, ``multiclass`` or ``regression``.
        target: The column that is predicted.
        labels: Class names in the order of the network's outputs; empty for regression.
        columns: The columns of a row.
        created: When it was trained, ISO 8601 in UTC.
        digests: SHA-256 of the files, and of the training data under ``data``.
        versions: Library versions it was made with.
        offset: Regression: added to the network's output times ``scale``.
        scale: Regression: see ``offset``.
        format: Always ``pulse-tabular``.
        format_version: 1.
    """

    name: str
    task: TabularKind
    target: str
    labels: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    created: str = ""
    digests: dict[str, str] = {}
    versions: dict[str, str] = {}
    offset: float = 0.0
    scale: float = 1.0
    format: str = FORMAT
    format_version: int = 1


def write_model_folder(
    folder: Path,
    facts: ModelFacts,
    *,
    recipe: FittedRecipe,
    network: "onnx.ModelProto",
    weights: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> None:
    """Write ``model.json``, ``recipe.json``, ``weights.safetensors``, ``model.onnx`` and ``metrics.json``.

    Args:
        folder: Made where it is not there; files of these names are replaced.
        facts: ``columns``, ``digests`` of the files and ``format`` are filled in here.
        recipe: The fitted recipe.
        network: ONNX (opset 17) from ``features`` float32 [batch, width] to one output, float32 [batch, outputs]:
            logits for classes (one column is the logit of the second label), the scaled value for regression.
        weights: Arrays by name.
        metrics: Plain values.
    """
    raise NotImplementedError
