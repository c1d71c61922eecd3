"""The folder that ``pulse train`` writes and ``pulse serve`` reads.

``model.json`` says what the model is, ``recipe.json`` how a row becomes numbers, ``model.onnx`` what becomes of
the numbers (with the recipe's numeric part in it). These three serve. ``weights.safetensors`` has the network's
arrays for whoever trains on, ``metrics.json`` how good it is. Nothing in it is code.
"""

__all__ = (
    "FORMAT", "STAGING", "ModelFacts", "ModelFolder", "TabularKind", "read_model_folder", "write_model_folder",
)  # fmt: skip

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from pulse_ai.core import LoadFailed, TargetError
from pulse_ai.frame import Column, FittedRecipe, RecipeError
from pulse_ai.hub.tabular_graph import join_graphs

if TYPE_CHECKING:
    import onnx

FORMAT = "pulse-tabular"
"""What ``model.json`` begins with, so that a folder can be told from a checkpoint."""

STAGING = ".writing-"
"""How the name begins of a folder, in a model's, where files are written before they take their places."""

TabularKind = Literal["binary", "multiclass", "regression"]

_VERSION = 1
_FACTS, _RECIPE, _GRAPH = "model.json", "recipe.json", "model.onnx"
_WEIGHTS, _METRICS = "weights.safetensors", "metrics.json"


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What ``model.json`` holds.

    Attributes:
        format: Always ``pulse-tabular``.
        format_version: 1.
        name: Name of the model.
        task: ``binary``, ``multiclass`` or ``regression``.
        target: The column that is predicted.
        labels: Class names in the order of the network's outputs; empty for regression.
        columns: The columns of a row; filled in from the recipe.
        created: When it was trained, ISO 8601 in UTC.
        digests: SHA-256 of the files, filled in; and of the training data, under ``data``.
        versions: Library versions it was made with.
        offset: Regression: the answer is the network's output times ``scale`` plus ``offset``.
        scale: See ``offset``.

    Example:
        >>> ModelFacts(name="penguins", task="multiclass", target="species", labels=("a",))
        Traceback (most recent call last):
        ValueError: a multiclass model needs at least 2 labels that differ, got ('a',)
    """

    format: str = FORMAT
    format_version: int = _VERSION
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

    def __post_init__(self) -> None:
        least = {"binary": 2, "multiclass": 2, "regression": 0}[self.task]
        if len(set(self.labels)) < least or len(set(self.labels)) != len(self.labels):
            raise ValueError(
                f"a {self.task} model needs at least {least} labels that differ, got {self.labels}"
            )
        if self.task == "regression" and self.labels:
            raise ValueError(f"a regression model has no labels, got {self.labels}")


def write_model_folder(
    folder: Path,
    facts: ModelFacts,
    *,
    recipe: FittedRecipe,
    network: "onnx.ModelProto",
    weights: bytes,
    metrics: Mapping[str, Any],
) -> ModelFacts:
    """Write the files of a model: all are on the disk before one of them takes the place of an older one.

    So a disk that is full, or a process that ends, leaves the older model as it was. While the files take their
    places there is no ``model.json``: a reader never sees it beside files that it does not speak of.

    Args:
        folder: Made where it is not there; files of these names are replaced.
        facts: ``columns`` and the files' ``digests`` are filled in here.
        recipe: The fitted recipe.
        network: ONNX with the recipe's operators (``frame.OPSET``) from ``features`` float32 [batch, width] to one
            output, float32 [batch, outputs]: logits for classes (for two labels, one column that is the logit
            of the second will do), the scaled value for regression.
        weights: A safetensors file with the network's arrays.
        metrics: Plain values.

    Returns:
        The facts as they were written.

    Raises:
        TargetError: Recipe, network and facts do not fit together; nothing was written.
        OSError: The folder cannot be written; a model that was there is as it was.
    """
    graph = join_graphs(recipe, network, classes=len(facts.labels), offset=facts.offset, scale=facts.scale)
    files = {
        _RECIPE: recipe.to_json(),
        _GRAPH: graph.SerializeToString(),
        _WEIGHTS: weights,
        _METRICS: msgspec.json.format(msgspec.json.encode(dict(metrics))),
    }
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    whole = msgspec.structs.replace(facts, columns=recipe.columns, digests=facts.digests | digests)
    _replace_files(folder, files | {_FACTS: msgspec.json.format(msgspec.json.encode(whole))})
    return whole


def _replace_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put files in their places, ``model.json`` last, once all of them are on the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    for left_behind in folder.glob(f"{STAGING}*"):
        shutil.rmtree(left_behind, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=STAGING, dir=folder) as staged:
        for name, content in files.items():
            with Path(staged, name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        (folder / _FACTS).unlink(missing_ok=True)
        for name in files:
            Path(staged, name).replace(folder / name)


class ModelFolder(NamedTuple):
    """What serves.

    Attributes:
        facts: What ``model.json`` says.
        recipe: The fitted recipe.
        graph: Path of the ONNX file.
    """

    facts: ModelFacts
    recipe: FittedRecipe
    graph: Path


def read_model_folder(folder: Path) -> ModelFolder:
    """Read and check what serves, without JAX or Polars.

    Raises:
        TargetError: It is no such folder, or one of a newer version.
        LoadFailed: A file is missing or was changed since training.
    """
    facts = _read_facts(folder / _FACTS)
    recipe = _checked(folder / _RECIPE, facts)
    _checked(folder / _GRAPH, facts)
    try:
        return ModelFolder(facts, FittedRecipe.from_json(recipe), folder / _GRAPH)
    except RecipeError as error:
        raise LoadFailed(f"{folder / _RECIPE}: {error}") from error


def _read_facts(path: Path) -> ModelFacts:
    try:
        facts = msgspec.json.decode(path.read_bytes(), type=ModelFacts)
    except OSError as error:
        raise TargetError(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise TargetError(f"{path} does not describe a model: {error}") from error
    if facts.format != FORMAT or facts.format_version != _VERSION:
        raise TargetError(
            f"{path} is {facts.format} version {facts.format_version}; "
            f"this Pulse serves {FORMAT} version {_VERSION}"
        )
    return facts


def _checked(path: Path, facts: ModelFacts) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LoadFailed(f"{path} cannot be read: {error.strerror}; train the model again") from error
    expected, found = facts.digests.get(path.name), hashlib.sha256(content).hexdigest()
    if found != expected:
        raise LoadFailed(
            f"{path} is not the file that was written by training (SHA-256 {found[:12]}, expected "
            f"{(expected or 'none')[:12]}); train again, or copy the whole folder again"
        )
    return content
