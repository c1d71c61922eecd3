"""Tokenizers built from old vocabulary files, against those that transformers builds. Run by ``make parity``."""

__all__ = ()

import json
from pathlib import Path
from typing import Any

import pytest

from pulse_ai.hub.config import read_config
from pulse_ai.hub.tokenizer_files import load_tokenizer

transformers: Any = pytest.importorskip("transformers", reason="parity needs transformers: run `make parity`")

pytestmark = pytest.mark.slow

_TEXTS = [
    "",
    "Rene, really?!",
    "Ren\u00e9 REALLY likes  it\tand\nme",
    "\u5929\u6c14 really",
    "re\u200bally \U0001f600 x",
    "really" * 40,
]
_PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "re",
    "##ne",
    "##ally",
    "Rene",
    "likes",
    "it",
    "me",
    "!",
]


def _folder(tmp_path: Path, model_type: str, tokenizer: dict[str, Any]) -> Path:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    return tmp_path


@pytest.mark.parametrize("lower", [True, False])
def test_a_word_piece_vocabulary_gives_the_same_tokens(lower: bool, tmp_path: Path) -> None:
    options = {"do_lower_case": lower, "tokenizer_class": "BertTokenizer"}
    folder = _folder(tmp_path, "bert", options)
    (folder / "vocab.txt").write_text("\n".join([*_PIECES, "\u5929", "?", ","]) + "\n", encoding="utf-8")

    ours = load_tokenizer(folder, read_config(folder))

    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    for text in _TEXTS:
        assert ours.encode(text).ids == theirs(text)["input_ids"]


def test_a_byte_pair_vocabulary_gives_the_same_tokens(tmp_path: Path) -> None:
    from tokenizers.pre_tokenizers import ByteLevel

    folder = _folder(tmp_path, "roberta", {"tokenizer_class": "RobertaTokenizer"})
    merges = ["r e", "a l", "al l", "all y", "re ally", "\u0120 re", "\u0120re ally"]
    joined = [merge.replace(" ", "") for merge in merges]
    words = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *sorted(ByteLevel.alphabet()), *joined]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")

    ours = load_tokenizer(folder, read_config(folder))

    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    for text in _TEXTS:
        assert ours.encode(text).ids == theirs(text)["input_ids"]
