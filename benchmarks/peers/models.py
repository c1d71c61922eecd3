"""The models that every server gets: the same ONNX file, tokenizer and sentences, made on the spot."""

from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers.workload import Settings
from benchmarks.sentences import ENGLISH, make_sentences, random_words
from pulse_ai.cli.bench_proof import choose_model
from pulse_ai.core import available_cores
from pulse_ai.hub import Predictions, Text, TextClassification
from pulse_ai.hub.model_files import open_checkpoint, prepare_graph
from pulse_ai.hub.settings import ClassificationSettings
from pulse_ai.hub.sources import find_folder

BATCH_SIZE = 16
_SENTENCES = 200
_PROBES = 8


@dataclass(frozen=True)
class Model:
    """A model on disk, and what is sent to it.

    Attributes:
        name: ``embedded`` or ``distilbert``.
        title: What it is, in words.
        graph: Its ONNX file, int8.
        folder: Its checkpoint.
        torch: Whether the folder has weights that torch reads.
        labels: Its labels, in the order of its scores.
        max_tokens: Most tokens of one text.
        sentences: What is sent, in turn.
        expected: The first label's score for each of the first few sentences, by Pulse's hub.
    """

    name: str
    title: str
    graph: Path
    folder: Path
    torch: bool
    labels: tuple[str, ...]
    max_tokens: int
    sentences: tuple[str, ...]
    expected: tuple[float, ...] = field(repr=False)

    def settings(
        self, *, pids: Path, workers: int = 1, wait_ms: float, queue: int, limit_s: float
    ) -> Settings:
        """Return what a server is told."""
        return Settings(
            graph=str(self.graph),
            tokenizer=str(self.folder / "tokenizer.json"),
            checkpoint=str(self.folder),
            labels=self.labels,
            max_tokens=self.max_tokens,
            batch_size=BATCH_SIZE,
            wait_ms=wait_ms,
            workers=workers,
            queue=queue,
            limit_s=limit_s,
            threads=available_cores(),
            pids=str(pids),
        )


def make_model(name: str) -> Model:
    """Return a model; the DistilBERT-size one is made and converted now if it never was.

    Raises:
        ValueError: There is no such model.
    """
    if name == "embedded":
        source, words = "embedded", None
    elif name == "distilbert":
        source, words = choose_model("", "distilbert-size").target.partition("=")[2], random_words()
    else:
        raise ValueError(f"the models are embedded and distilbert, got {name!r}")
    settings = ClassificationSettings(source=source)
    checkpoint = open_checkpoint(find_folder(settings, _quiet).folder)
    graph = prepare_graph(checkpoint, settings, _quiet).graph
    sentences = tuple(make_sentences(_SENTENCES, words or ENGLISH))
    labels = tuple(checkpoint.config.labels)
    return Model(
        name=name,
        title="the embedded sentiment model"
        if words is None
        else "a classifier of DistilBERT's size with random weights (6 layers of 768)",
        graph=graph,
        folder=checkpoint.folder,
        torch=words is not None,
        labels=labels,
        max_tokens=checkpoint.config.max_tokens,
        sentences=sentences,
        expected=_expected(source, labels[0], sentences[:_PROBES]),
    )


def _quiet(done: float | None, text: str) -> None:
    """Take a progress report, and say nothing."""


def _expected(source: str, first_label: str, sentences: tuple[str, ...]) -> tuple[float, ...]:
    """Return the score of the first label for each sentence."""
    task = TextClassification(source)
    task.load()
    answers = task.predict([Text(sentence) for sentence in sentences])
    return tuple(
        one.score
        for answer in answers
        if isinstance(answer, Predictions)
        for one in answer.predictions
        if one.label == first_label
    )
