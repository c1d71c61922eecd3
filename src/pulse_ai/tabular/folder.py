"""Writing what a training made: the folder that ``pulse serve`` takes, with a card and pictures."""

__all__ = ("TUNING_LOG", "require_free", "write_table_folder")

import hashlib
import re
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from pulse_ai.bench import standalone
from pulse_ai.hub import STAGING, ModelFacts, write_model_folder
from pulse_ai.tabular.card import model_card
from pulse_ai.tabular.errors import TableError
from pulse_ai.tabular.plots import plots_of
from pulse_ai.tabular.training import TrainedTable
from pulse_ai.train import network_to_onnx, weights_content, write_atomically

TUNING_LOG = "tuning.json"
"""The file of a search, in the folder that its result goes to."""

_CARD = "README.md"
_PICTURES = ("training.svg", "confusion.svg", "calibration.svg", "values.svg")
_WRITTEN = {*_PICTURES, _CARD, "recipe.json", "model.onnx", "weights.safetensors", "metrics.json"}
_LIBRARIES = ("pulse-ai", "jax", "flax", "optax", "polars", "numpy", "onnx")
_READ_BYTES = 1 << 20


def write_table_folder(
    folder: Path, trained: TrainedTable, *, name: str = "", source: Path | None = None
) -> None:
    """Write a folder with the model, its card and its pictures.

    Args:
        folder: Made where it is not there. Files of an earlier training in it are replaced.
        trained: The model.
        name: Its name; empty: the folder's.
        source: The file that it was trained on, for its name and SHA-256.

    Raises:
        TableError: The folder holds other things, or cannot be written; what model is there is whole.
    """
    name = name or re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-._") or "model"
    prepared = trained.prepared
    versions = {library: version(library) for library in _LIBRARIES}
    data = {} if source is None else {"data": source.name, "SHA-256 of the data": _digest(source)}
    facts = ModelFacts(
        name=name,
        task=prepared.problem.kind,
        target=prepared.problem.target,
        labels=prepared.problem.labels,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        digests={} if source is None else {"data": data["SHA-256 of the data"]},
        versions=versions,
        offset=prepared.offset,
        scale=prepared.scale,
    )
    plots = {f"{stem}.svg": standalone(svg).encode() for stem, svg in plots_of(trained).items()}
    card = model_card(trained, name=name, data=data, versions=versions, plots=list(plots))
    require_free(folder)
    try:
        write_model_folder(
            folder,
            facts,
            recipe=prepared.recipe,
            network=network_to_onnx(trained.trained.network, trained.trained.variables),
            weights=weights_content(trained.trained.network, trained.trained.variables),
            metrics=_metrics(trained),
        )
        for file in set(_PICTURES) - set(plots):
            (folder / file).unlink(missing_ok=True)
        for file, content in {**plots, _CARD: card.encode()}.items():
            write_atomically(folder / file, content)
    except OSError as error:
        raise TableError(f"{folder} cannot be written: {error.strerror or error}") from error


def require_free(folder: Path) -> None:
    """Check that a model may be written to a folder: also one whose writing was cut off, before ``model.json``.

    Raises:
        TableError: It is a file or cannot be written, or holds other things than a trained model or a search
            for one.
    """
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise TableError(f"{there} is a file; choose another --out")
    try:
        with tempfile.TemporaryFile(dir=there):  # the permissions alone do not say it: /proc has all of them
            pass
        names = {file.name for file in folder.iterdir()} if folder.is_dir() else set[str]()
        names = {name for name in names if not name.startswith(STAGING)}
    except OSError as error:
        raise TableError(f"{there} cannot be written: {error.strerror}; choose another --out") from error
    others = {name for name in names if name != TUNING_LOG and not name.startswith(f".{TUNING_LOG}.")}
    cut_off = "recipe.json" in others and others <= _WRITTEN
    if others and not cut_off and "model.json" not in others:
        raise TableError(f"{folder} holds other things than a trained model; choose another --out")


def _digest(source: Path) -> str:
    found = hashlib.sha256()
    with source.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            found.update(chunk)
    return found.hexdigest()


def _metrics(trained: TrainedTable) -> dict[str, Any]:
    """Return what ``metrics.json`` holds: the report, the baselines, the comparisons, the history."""
    return {
        "validation": msgspec.to_builtins(trained.report),
        "baselines": {one.name: msgspec.to_builtins(one.report) for one in trained.baselines},
        "comparisons": [
            msgspec.to_builtins(one) | {"verdict": one.verdict, "sentence": one.sentence}
            for one in trained.comparisons
        ],
        "history": [dict(row) for row in trained.trained.history],
        "best_epoch": trained.trained.outcome.best_epoch,
    }
