"""What a checkpoint's config says, read once into a frozen value."""

__all__ = ("ModelConfig", "read_config", "read_json")

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pulse_ai.core import LoadFailed, TargetError
from pulse_ai.hub.settings import ScoresFunction

JsonObject = dict[str, Any]

_OFFSET_FAMILIES = frozenset({"roberta", "xlm-roberta", "camembert"})  # positions start after the padding id
_SANE_TOKENS = 1_000_000  # tokenizers without a limit of their own say 10**30
_DEFAULT_TOKENS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The parts of ``config.json`` and ``tokenizer_config.json`` that running a classifier needs.

    Attributes:
        model_type: The architecture's name: ``bert``, ``distilbert``, ``roberta``, or any other.
        labels: Label names in the order of the model's output; empty where the config names none.
        scores_function: What fits the config's ``problem_type``.
        max_tokens: Most tokens that the model reads, special ones included; at least 1.
        pad_id: The token that fills short rows.
        raw: The whole of ``config.json``.
        tokenizer: The whole of ``tokenizer_config.json``; empty where there is none.
    """

    model_type: str
    labels: tuple[str, ...]
    scores_function: ScoresFunction
    max_tokens: int
    pad_id: int
    raw: JsonObject
    tokenizer: JsonObject


def read_config(folder: Path) -> ModelConfig:
    """Read a checkpoint's config.

    Raises:
        TargetError: The folder has no ``config.json``.
        LoadFailed: A file is not JSON, or says something impossible.

    Example:
        >>> read_config(Path("/nowhere"))
        Traceback (most recent call last):
        pulse_ai.core.errors.TargetError: no config.json in /nowhere; a checkpoint is a folder with ...
    """
    if not (folder / "config.json").is_file():
        raise TargetError(
            f"no config.json in {folder}; a checkpoint is a folder with config.json, a tokenizer and weights"
        )
    raw = read_json(folder / "config.json")
    if not isinstance(raw.get("model_type", ""), str):
        raise LoadFailed(f"model_type in {folder / 'config.json'} is no name: {raw['model_type']!r}")
    tokenizer = read_json(folder / "tokenizer_config.json")
    labels = _labels(raw, folder)
    return ModelConfig(
        model_type=str(raw.get("model_type") or ""),
        labels=labels,
        scores_function=_scores_function(raw, labels),
        max_tokens=_max_tokens(raw, tokenizer),
        pad_id=_natural(raw.get("pad_token_id", int(raw.get("model_type") in _OFFSET_FAMILIES))),
        raw=raw,
        tokenizer=tokenizer,
    )


def read_json(path: Path) -> JsonObject:
    """Return the object in a JSON file; ``{}`` where there is no such file.

    Raises:
        LoadFailed: The file does not hold a JSON object.
    """
    if not path.is_file():
        return {}
    try:
        found: object = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise LoadFailed(f"{path} is not JSON: {error}; fetch the checkpoint again") from error
    if not isinstance(found, dict):
        raise LoadFailed(f"{path} holds a {type(found).__name__} where an object belongs")
    return cast("JsonObject", found)


def _labels(raw: JsonObject, folder: Path) -> tuple[str, ...]:
    names: object = raw.get("id2label")
    if not isinstance(names, dict) or not names:
        return ()
    by_number = {str(number): str(name) for number, name in cast("JsonObject", names).items()}
    expected = [str(number) for number in range(len(by_number))]
    if set(by_number) != set(expected):
        raise LoadFailed(
            f"id2label in {folder / 'config.json'} numbers its labels {', '.join(sorted(by_number))}; "
            f"they must be 0 to {len(by_number) - 1}"
        )
    return tuple(by_number[number] for number in expected)


def _scores_function(raw: JsonObject, labels: tuple[str, ...]) -> ScoresFunction:
    problem = raw.get("problem_type")
    if problem == "multi_label_classification":
        return "sigmoid"
    return "none" if problem == "regression" or len(labels) == 1 else "softmax"


def _max_tokens(raw: JsonObject, tokenizer: JsonObject) -> int:
    limits = [_natural(tokenizer.get("model_max_length")), _natural(raw.get("max_position_embeddings"))]
    if raw.get("model_type") in _OFFSET_FAMILIES:
        limits[1] -= _natural(raw.get("pad_token_id", 1)) + 1
    return min((limit for limit in limits if 0 < limit < _SANE_TOKENS), default=_DEFAULT_TOKENS)


def _natural(value: object) -> int:
    """Return a count from JSON, or 0 where it is not one."""
    return int(value) if isinstance(value, (int, float)) and 0 <= value < _SANE_TOKENS else 0
