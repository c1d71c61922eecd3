"""Our converted graphs against the library that the checkpoints are made for. Run by ``make parity``."""

__all__ = ()

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pulse_ai.hub import Predictions, Text, TextClassification

torch: Any = pytest.importorskip("torch", reason="parity needs torch: run `make parity`")
transformers: Any = pytest.importorskip("transformers", reason="parity needs transformers: run `make parity`")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

_WORDS = [f"w{number}" for number in range(200)]
_SIZES = {"vocab_size": 210, "max_position_embeddings": 40}
_BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "initializer_range": 0.3,
    **_SIZES,
}
_DISTILBERT = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "initializer_range": 0.3, **_SIZES}
_CASES = {
    "bert": ("Bert", {**_BERT, "num_labels": 2}),
    "bert, 5 labels, gelu_new": ("Bert", {**_BERT, "num_labels": 5, "hidden_act": "gelu_new"}),
    "bert, 1 label, relu": ("Bert", {**_BERT, "num_labels": 1, "hidden_act": "relu"}),
    "bert, one segment": ("Bert", {**_BERT, "num_labels": 3, "type_vocab_size": 1}),
    "bert, wide epsilon": ("Bert", {**_BERT, "num_labels": 3, "layer_norm_eps": 0.1}),
    "distilbert": ("DistilBert", {**_DISTILBERT, "num_labels": 2}),
    "distilbert, 4 labels, relu": ("DistilBert", {**_DISTILBERT, "num_labels": 4, "activation": "relu"}),
    "distilbert, fixed positions": ("DistilBert", {**_DISTILBERT, "sinusoidal_pos_embds": True}),
    "roberta": ("Roberta", {**_BERT, "num_labels": 2, "type_vocab_size": 1, "pad_token_id": 1}),
    "roberta, 3 labels": ("Roberta", {**_BERT, "num_labels": 3, "pad_token_id": 1, "type_vocab_size": 2}),
    "xlm-roberta": ("XLMRoberta", {**_BERT, "num_labels": 5, "type_vocab_size": 1, "pad_token_id": 1}),
    "camembert": ("Camembert", {**_BERT, "num_labels": 2, "type_vocab_size": 1, "pad_token_id": 1}),
}


def _tokenizer(*, padding_id: int) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    special = (
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] if padding_id == 0 else ["[CLS]", "[PAD]", "[SEP]", "[UNK]"]
    )
    vocabulary = {word: number for number, word in enumerate([*special, *_WORDS])}
    tokenizer: Any = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(word, vocabulary[word]) for word in ("[CLS]", "[SEP]")],
    )
    return tokenizer


@pytest.fixture(params=list(_CASES), name="checkpoint")
def _checkpoint(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PULSE_CACHE_DIR", str(tmp_path / "cache"))
    name, options = _CASES[request.param]
    torch.manual_seed(7)
    config = getattr(transformers, f"{name}Config")(**options)
    model = getattr(transformers, f"{name}ForSequenceClassification")(config)
    for (
        parameter
    ) in model.parameters():  # biases and norms that are not 0 and 1, so that none can be forgotten
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    folder = tmp_path / "checkpoint"
    model.eval().save_pretrained(folder, safe_serialization=True)
    _tokenizer(padding_id=config.pad_token_id or 0).save(str(folder / "tokenizer.json"))
    return folder


def _texts() -> list[str]:
    random = np.random.default_rng(3)
    lengths = [0, 1, 2, 3, 5, 8, 13, 21, 30, 35, 36, 37, 38, 60, 200, 9, 9, 9]
    return [" ".join(random.choice(_WORDS, size)) for size in lengths]


def _expected(folder: Path, texts: list[str], most: int) -> list[list[float]]:
    """Return what transformers gives for each text by itself, unpadded."""
    from tokenizers import Tokenizer

    tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(most)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        return [
            model(input_ids=torch.tensor([tokenizer.encode(text).ids])).logits[0].tolist() for text in texts
        ]


def _logits(task: TextClassification, texts: list[str]) -> list[list[float]]:
    answers = task.predict([Text(text) for text in texts])
    labels: list[str] = task.describe()["labels"]
    rows: list[list[float]] = []
    for answer in answers:
        assert isinstance(answer, Predictions)
        scores = {prediction.label: prediction.score for prediction in answer.predictions}
        rows.append([scores[label] for label in labels])
    return rows


def test_fp32_logits_agree_to_1e_4(checkpoint: Path) -> None:
    task = TextClassification(str(checkpoint), precision="fp32", scores_function="none")
    task.load()
    texts = _texts()

    ours = _logits(task, texts)

    theirs = _expected(checkpoint, texts, task.describe()["max_tokens"])
    np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-4)


def test_truncation_is_told_exactly_where_it_happens(checkpoint: Path) -> None:
    task = TextClassification(str(checkpoint), precision="fp32")
    task.load()
    room = task.describe()["max_tokens"] - 2

    fits, over = task.predict([Text("w1 " * room), Text("w1 " * (room + 1))])

    assert isinstance(fits, Predictions)
    assert isinstance(over, Predictions)
    assert (fits.truncated, over.truncated) == (False, True)


def test_int8_scores_stay_near_fp32(checkpoint: Path) -> None:
    """Tolerance: random weights of this spread are rougher than trained ones, and the models are 32 wide."""
    exact, rounded = (TextClassification(str(checkpoint), precision=kind) for kind in ("fp32", "int8"))
    exact.load()
    rounded.load()
    texts = _texts()

    apart = np.abs(np.array(_logits(exact, texts)) - np.array(_logits(rounded, texts)))

    one_label = len(exact.describe()["labels"]) == 1
    assert apart.max() < (0.5 if one_label else 0.15)
    assert apart.mean() < (0.15 if one_label else 0.04)
