"""A checkpoint's tokenizer: ``tokenizer.json``, or made from the vocabulary files of older checkpoints."""

__all__ = ("TOKENIZER_FILES", "load_tokenizer")

from pathlib import Path
from typing import Any

from pulse_ai.core import LoadFailed, TargetError
from pulse_ai.hub.config import ModelConfig

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "merges.txt")
"""Every file that a tokenizer may be made from."""


def load_tokenizer(folder: Path, config: ModelConfig) -> Any:
    """Return a ``tokenizers.Tokenizer``.

    Raises:
        TargetError: The folder has no tokenizer that can be used.
        LoadFailed: A tokenizer's file is damaged.
    """
    try:
        return _load(folder, config)
    except (TargetError, LoadFailed):
        raise
    except Exception as error:  # tokenizers raises the bare class
        raise LoadFailed(f"the tokenizer in {folder} is damaged: {error}; fetch it again") from error


def _load(folder: Path, config: ModelConfig) -> Any:
    from tokenizers import Tokenizer

    if (folder / "tokenizer.json").is_file():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    if (folder / "vocab.txt").is_file() and config.model_type in {"bert", "distilbert"}:
        return _word_pieces(folder, config)
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return _byte_pairs(folder, config)
    raise TargetError(
        f"no tokenizer in {folder}: looked for tokenizer.json, vocab.txt (BERT) and vocab.json with "
        "merges.txt (RoBERTa); write one with AutoTokenizer.from_pretrained(...).save_pretrained(...)"
    )


def _word_pieces(folder: Path, config: ModelConfig) -> Any:
    """Build BERT's tokenizer from its list of word pieces."""
    from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

    lines = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    vocabulary = {line.strip(): number for number, line in enumerate(lines)}
    options = config.tokenizer
    missing = [word for word in ("[UNK]", "[CLS]", "[SEP]") if word not in vocabulary]
    if missing:
        raise LoadFailed(f"{folder / 'vocab.txt'} has no {missing[0]}, which BERT's tokenizer needs")
    made: Any = BertWordPieceTokenizer(
        vocabulary,
        lowercase=bool(options.get("do_lower_case", True)),
        strip_accents=options.get("strip_accents"),
        handle_chinese_chars=bool(options.get("tokenize_chinese_chars", True)),
    )
    return made._tokenizer  # noqa: SLF001 - the wrapper lacks the methods that its inside has


def _byte_pairs(folder: Path, config: ModelConfig) -> Any:
    """Build RoBERTa's tokenizer from its vocabulary and merges."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    spaced = bool(config.tokenizer.get("add_prefix_space", False))
    model: Any = models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    made: Any = Tokenizer(model)
    special = {word: made.token_to_id(word) for word in ("<s>", "</s>")}
    if None in special.values():
        raise LoadFailed(f"{folder / 'vocab.json'} has no <s> and </s>, which RoBERTa's tokenizer needs")
    made.add_special_tokens(
        [word for word in ("<s>", "</s>", "<pad>", "<unk>") if made.token_to_id(word) is not None]
    )
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=spaced)
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.RobertaProcessing(
        ("</s>", special["</s>"]), ("<s>", special["<s>"]), trim_offsets=True, add_prefix_space=spaced
    )
    return made
