"""From a checkpoint's folder to files that the engine runs."""

__all__ = ("ModelFiles", "model_files")

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulse_ai.core import LoadFailed, ProgressReport
from pulse_ai.hub.config import ModelConfig
from pulse_ai.hub.engine import Engine
from pulse_ai.hub.settings import ClassificationSettings
from pulse_ai.hub.text_model import TextModel
from pulse_ai.hub.tokenizing import TextTokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    graph: Path
    tokenizer: Any
    config: ModelConfig
    facts: dict[str, Any] = field(default_factory=dict[str, Any])

    def open_model(self, threads: int) -> TextModel:
        tokenizer = TextTokenizer(self.tokenizer, self.config.max_tokens)
        return TextModel(tokenizer, Engine(self.graph, threads), self.config.pad_id)


def model_files(folder: Path, config: ModelConfig, settings: ClassificationSettings, report: ProgressReport) -> ModelFiles:
    import tokenizers
    tok = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    for name in ("onnx/model_quantized.onnx", "onnx/model.onnx", "model.onnx"):
        if (folder / name).is_file():
            return ModelFiles(graph=folder / name, tokenizer=tok, config=config)
    raise LoadFailed("no onnx")
