"""The task: a text in, labels with scores out."""

__all__ = ("TextClassification",)

from typing import Any, Unpack

from pulse_ai.core import Failure, LoadFailed, Task
from pulse_ai.hub.answers import Predictions, Text
from pulse_ai.hub.config import ModelConfig
from pulse_ai.hub.halving import answer_by_halves
from pulse_ai.hub.model_files import open_checkpoint, prepare_graph
from pulse_ai.hub.scores import best_first, scores_of
from pulse_ai.hub.settings import ClassificationOptions, ClassificationSettings, ScoresFunction
from pulse_ai.hub.sources import find_folder
from pulse_ai.hub.text_model import Scored, TextModel

_EXAMPLES = (
    "Fine.",
    "The film was slow, but its ending stays with you.",
    "Service came late and the soup was cold, yet the view from that terrace makes up for a lot.",
    "I had been told to expect little, and so I was all the more surprised. " * 4,
)
_WARM_UP = ("Fine.", "A longer sentence, so that the engine has seen more than one shape. " * 4)


class TextClassification(Task):
    """Classifies text with a pretrained sequence classifier, on the CPU through ONNX Runtime.

    Building one only checks the arguments; ``load`` finds, downloads, converts and quantises.

    Args:
        source: ``embedded`` (the sentiment model in this package), ``hf:owner/name`` with an optional
            ``@revision``, or a folder with a Hugging Face checkpoint.
        **options: ``revision``, ``precision``, ``scores_function``, ``top_k``, ``offline`` and ``threads``,
            as ``ClassificationSettings`` explains them.

    Raises:
        ValueError: An argument is out of its range.

    Example:
        >>> task = TextClassification("embedded", threads=1)
        >>> task.load()
        >>> task.predict([Text("A joy from start to finish.")])[0].predictions[0].label
        'POSITIVE'
    """

    def __init__(self, source: str = "embedded", **options: Unpack[ClassificationOptions]) -> None:
        self.settings = ClassificationSettings(source=source, **options)
        self._model: TextModel | None = None
        self._labels: tuple[str, ...] = ()
        self._function: ScoresFunction = "softmax"
        self._facts: dict[str, Any] = {}

    def load(self) -> None:
        """Get the model ready to answer.

        Raises:
            TargetError: The source does not exist, or is not a classifier that can be served.
            LoadFailed: The source was found but could not be fetched, converted or run.
        """
        settings = self.settings
        found = find_folder(settings, self.report_progress)
        checkpoint = open_checkpoint(found.folder)
        prepared = prepare_graph(checkpoint, settings, self.report_progress)
        self.report_progress(0.9, "starting the engine")
        model = checkpoint.open_model(prepared.graph, settings.threads)
        self._labels = _checked_labels(checkpoint.config, _warm_up(model))
        self._function = settings.scores_function or _fitting(checkpoint.config, len(self._labels))
        self._facts = self._describe(checkpoint.config, model) | prepared.facts
        if found.revision:
            self._facts["revision"] = found.revision
        self._model = model

    def predict(self, items: list[Text]) -> list[Predictions | Failure]:
        """Classify each text.

        Args:
            items: Texts of any length; one longer than the model reads is cut, and its answer says so.

        Returns:
            Predictions, best first, or a ``Failure`` for a text that the model has no score for.
        """
        if self._model is None:
            raise LoadFailed("the model is not loaded; call load() first")
        texts = [item.q for item in items]
        found = answer_by_halves(texts, self._model.score, turned_down=LoadFailed, refused=_refused)
        return [self._answer(scored) for scored in found]

    def examples(self) -> list[Text]:
        """Return a short text, some usual ones and a long one."""
        return [Text(text) for text in _EXAMPLES]

    def describe(self) -> dict[str, Any]:
        """Return the engine, precision, sizes and accuracy of what is served."""
        return self._facts

    def take_counts(self) -> dict[str, int]:
        """Return ``tokens`` and ``padding_tokens`` since the last call."""
        return self._model.take_counts() if self._model else {}

    def _answer(self, scored: Scored | Failure) -> Predictions | Failure:
        if isinstance(scored, Failure):
            return scored
        scores = scores_of(scored.logits[None], self._function)[0]
        return Predictions(best_first(scores, self._labels, self.settings.top_k), scored.truncated)

    def _describe(self, config: ModelConfig, model: TextModel) -> dict[str, Any]:
        return {
            "engine": model.engine.name,
            "threads": model.engine.threads,
            "source": self.settings.source,
            "precision": self.settings.precision,
            "architecture": config.model_type,
            "labels": list(self._labels),
            "max_tokens": config.max_tokens,
            "scores_function": self._function,
        }


def _refused(error: Exception) -> Failure:
    """Answer a text that the graph turns down, as where a token of it was added to the tokenizer only."""
    return Failure(str(error))


def _warm_up(model: TextModel) -> int:
    """Run a few shapes, so that the first request is not slow; return how many labels there are."""
    sizes = [
        len(scored.logits)
        for text in _WARM_UP
        for scored in model.score([text])
        if isinstance(scored, Scored)
    ]
    model.score([*_WARM_UP, *_WARM_UP])
    model.take_counts()
    if not sizes:
        raise LoadFailed("the model gives no finite score for plain English; the weights are damaged")
    return sizes[0]


def _fitting(config: ModelConfig, count: int) -> ScoresFunction:
    """Return the scores function of a config; where it names no labels, the model alone knows that it has one."""
    return "none" if count == 1 and config.scores_function == "softmax" else config.scores_function


def _checked_labels(config: ModelConfig, count: int) -> tuple[str, ...]:
    labels = config.labels or tuple(f"LABEL_{number}" for number in range(count))
    if len(labels) != count:
        raise LoadFailed(
            f"config.json names {len(labels)} labels ({', '.join(labels)}) but the model gives {count} scores"
        )
    return labels
