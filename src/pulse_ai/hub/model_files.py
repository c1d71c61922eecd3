"""From a checkpoint's folder to a model that runs: as it is, or converted and quantised once."""

__all__ = ("Checkpoint", "Prepared", "open_checkpoint", "prepare_graph")

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from pulse_ai.core import LoadFailed, ProgressReport, cache_dir
from pulse_ai.hub.agreement import PROBES, agreement_of
from pulse_ai.hub.cache import GRAPH, content_digest, open_entry
from pulse_ai.hub.config import ModelConfig, read_config
from pulse_ai.hub.engine import Engine
from pulse_ai.hub.settings import ClassificationSettings, Precision
from pulse_ai.hub.text_model import TextModel
from pulse_ai.hub.tokenizer_files import load_tokenizer
from pulse_ai.hub.tokenizing import TextTokenizer
from pulse_ai.hub.weight_files import WeightFiles, choose_weights

_ENGINE = "onnxruntime"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A folder whose config and tokenizer have been read.

    Attributes:
        folder: Where its files are.
        config: What its config says.
        tokenizer: Its ``TextTokenizer``.
    """

    folder: Path
    config: ModelConfig
    tokenizer: TextTokenizer

    def open_model(self, graph: Path, threads: int) -> TextModel:
        """Return a model that runs one of the checkpoint's graphs.

        Raises:
            LoadFailed: The engine does not run that graph.
        """
        return TextModel(self.tokenizer, Engine(graph, threads), self.config.pad_id)


class Prepared(NamedTuple):
    """A graph to run, and facts about it for people.

    Attributes:
        graph: The ONNX file.
        facts: ``size_bytes`` by precision, and what was measured of it.
    """

    graph: Path
    facts: dict[str, Any]


def open_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint's config and tokenizer.

    Raises:
        TargetError: The folder is not a checkpoint.
        LoadFailed: One of its files is damaged.
    """
    config = read_config(folder)
    tokenizer = TextTokenizer(load_tokenizer(folder, config), config.max_tokens)
    return Checkpoint(folder=folder, config=config, tokenizer=tokenizer)


def prepare_graph(
    checkpoint: Checkpoint, settings: ClassificationSettings, report: ProgressReport
) -> Prepared:
    """Return the checkpoint's graph in the precision wanted, converted now if it never was.

    Raises:
        TargetError: The checkpoint has no weights that can be used.
        LoadFailed: The weights are damaged, or do not fit the config.
    """
    weights = choose_weights(_names(checkpoint.folder), settings.precision)
    published = _published_facts(checkpoint.config)
    if weights.kind == f"onnx-{settings.precision}":
        graph = checkpoint.folder / weights.main
        return Prepared(graph, {"size_bytes": {settings.precision: _size_bytes(graph)}, **published})
    making = _Making(checkpoint, weights, settings.precision, report)
    entry = open_entry(cache_dir() / "hub", making.key(), making.make)
    return Prepared(entry.graph, {**published, **entry.facts})


class _Making:
    """Makes one entry of the cache: converts safetensors, quantises, compares."""

    def __init__(
        self, checkpoint: Checkpoint, weights: WeightFiles, precision: Precision, report: ProgressReport
    ) -> None:
        self.checkpoint = checkpoint
        self.weights = weights
        self.precision: Precision = precision
        self.report = report

    def key(self) -> str:
        """Return the entry's name: it changes with the files, the converter, the recipe and the processor."""
        import onnxruntime

        from pulse_ai.hub.convert import CONVERTER_VERSION
        from pulse_ai.hub.quantise import RECIPE, has_wide_products

        self.report(0.5, "checking for a converted model")
        files = ("config.json", self.weights.main, *self.weights.others)
        return content_digest(
            [self.checkpoint.folder / name for name in files],
            f"converter {CONVERTER_VERSION}",
            f"{self.precision} {RECIPE if self.precision == 'int8' else ''} {has_wide_products()}",
            f"{_ENGINE} {onnxruntime.__version__}",
        )

    def make(self, folder: Path) -> dict[str, Any]:
        """Write the graph into the folder and return facts about it."""
        if self.precision == "fp32":
            self._convert(folder / GRAPH)
            return {"size_bytes": {"fp32": _size_bytes(folder / GRAPH)}}
        return self._quantise(folder)

    def _quantise(self, folder: Path) -> dict[str, Any]:
        from pulse_ai.hub.quantise import quantise

        exact = self.checkpoint.folder / self.weights.main
        if self.weights.kind == "safetensors":
            exact = folder / "exact.onnx"
            self._convert(exact)
        self.report(0.7, "quantising to int8, once")
        quantise(exact, folder / GRAPH)
        sizes = {"fp32": _size_bytes(exact), "int8": _size_bytes(folder / GRAPH)}
        self.report(0.8, "comparing int8 with fp32")
        agreement = self._agreement(exact, folder / GRAPH)
        for left_over in folder.glob("exact.onnx*"):
            left_over.unlink()
        return {"size_bytes": sizes, "agreement": agreement}

    def _convert(self, target: Path) -> None:
        from pulse_ai.hub.convert import classifier_graph, read_weights, save_graph

        self.report(0.6, "converting to ONNX, once")
        weights = read_weights(self.checkpoint.folder)
        save_graph(classifier_graph(self.checkpoint.config.raw, weights), target)

    def _agreement(self, exact: Path, rounded: Path) -> dict[str, float | int]:
        one, other = (self.checkpoint.open_model(path, 0).score(PROBES) for path in (exact, rounded))
        return agreement_of(one, other, self.checkpoint.config.scores_function)


def _published_facts(config: ModelConfig) -> dict[str, Any]:
    """Return what the checkpoint's maker says of it under the key ``pulse`` (accuracy, data, licence)."""
    facts: object = config.raw.get("pulse")
    return cast("dict[str, Any]", facts) if isinstance(facts, dict) else {}


def _names(folder: Path) -> set[str]:
    """Return the files of a checkpoint, and of its folder ``onnx``, as the Hub would name them."""
    try:
        return {
            path.relative_to(folder).as_posix()
            for pattern in ("*", "onnx/*")
            for path in folder.glob(pattern)
            if path.is_file()
        }
    except OSError as error:
        raise LoadFailed(f"{folder} cannot be read: {error}") from error


def _size_bytes(graph: Path) -> int:
    """Return the size of a graph with the files that hold its larger constants."""
    beside = (*graph.parent.glob(f"{graph.name}_data*"), *graph.parent.glob(f"{graph.name}.data*"))
    return sum(path.stat().st_size for path in (graph, *beside))
