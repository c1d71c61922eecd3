"""The choice among a checkpoint's files, its tokenizers, and the cache of what was made from them."""

__all__ = ()

import json
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pulse_ai.core import LoadFailed, TargetError
from pulse_ai.hub import Predictions, Text, TextClassification
from pulse_ai.hub.cache import content_digest, open_entry
from pulse_ai.hub.config import read_config
from pulse_ai.hub.quantise import has_wide_products, quantise
from pulse_ai.hub.tokenizer_files import load_tokenizer
from pulse_ai.hub.tokenizing import TextTokenizer, Tokens
from pulse_ai.hub.weight_files import choose_weights


@pytest.mark.parametrize(
    ("names", "precision", "kind", "main"),
    [
        (["model.safetensors", "onnx/model.onnx"], "fp32", "onnx-fp32", "onnx/model.onnx"),
        (["model.safetensors", "model.onnx"], "int8", "onnx-fp32", "model.onnx"),
        (["model.onnx", "onnx/model_quantized.onnx"], "int8", "onnx-int8", "onnx/model_quantized.onnx"),
        (["model.safetensors", "model_quantized.onnx"], "fp32", "safetensors", "model.safetensors"),
        (["pytorch_model.bin", "model.safetensors"], "int8", "safetensors", "model.safetensors"),
    ],
)
def test_weights_are_chosen_by_precision(names: list[str], precision: Any, kind: str, main: str) -> None:
    assert choose_weights(names, precision)[:2] == (kind, main)


def test_files_that_the_weights_refer_to_come_along() -> None:
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    assert choose_weights(["model.safetensors.index.json", *shards], "fp32").others == tuple(shards)
    beside = ["onnx/model.onnx", "onnx/model.onnx_data", "onnx/model_quantized.onnx_data"]
    assert choose_weights(beside, "fp32").others == ("onnx/model.onnx_data",)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], "no usable weights"),
        (["config.json", "pytorch_model.bin"], "opening a pickle runs code"),
        (["tf_model.h5"], "a format that Pulse does not open"),
        (["onnx/model_quantized.onnx"], "ask for precision int8"),
    ],
)
def test_a_checkpoint_without_usable_weights_says_what_to_do(names: list[str], text: str) -> None:
    with pytest.raises(TargetError, match=text):
        choose_weights(names, "fp32")


def _old_bert(folder: Path, **options: Any) -> Any:
    folder.mkdir(exist_ok=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "re", "##ne", "rene", "Rene", "!"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (folder / "tokenizer_config.json").write_text(json.dumps(options))
    return load_tokenizer(folder, read_config(folder))


def test_an_old_bert_vocabulary_becomes_a_tokenizer(tmp_path: Path) -> None:
    assert _old_bert(tmp_path).encode("Ren\u00e9!").tokens == ["[CLS]", "rene", "!", "[SEP]"]
    cased = _old_bert(tmp_path, do_lower_case=False)
    assert cased.encode("Rene!").tokens == ["[CLS]", "Rene", "!", "[SEP]"]


def test_an_old_roberta_vocabulary_becomes_a_tokenizer(tmp_path: Path) -> None:
    words = ["<s>", "<pad>", "</s>", "<unk>", "a", "b", "\u0120", "ab", "\u0120ab"]
    (tmp_path / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n\u0120 ab\n", encoding="utf-8")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "roberta"}))

    tokenizer = load_tokenizer(tmp_path, read_config(tmp_path))

    assert tokenizer.encode("ab ab").tokens == ["<s>", "ab", "\u0120ab", "</s>"]
    assert tokenizer.encode("ab<pad>").ids == [0, 7, 1, 2]


def test_no_tokenizer_and_a_damaged_one_are_told_apart(tiny: Path) -> None:
    (tiny / "tokenizer.json").write_text("{}")
    with pytest.raises(LoadFailed, match=r"tokenizer .* is damaged"):
        TextClassification(str(tiny)).load()

    (tiny / "tokenizer.json").unlink()
    with pytest.raises(TargetError, match=r"no tokenizer .* looked for tokenizer\.json"):
        TextClassification(str(tiny)).load()


@pytest.mark.parametrize(
    ("config", "tokenizer", "most"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512}, {}, 512),
        ({"model_type": "bert", "max_position_embeddings": 512}, {"model_max_length": 128}, 128),
        ({"model_type": "bert", "max_position_embeddings": 64}, {"model_max_length": 10**30}, 64),
        ({"model_type": "roberta", "max_position_embeddings": 514}, {}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 0}, {}, 513),
        ({"model_type": "xlnet", "max_position_embeddings": None}, {}, 512),
    ],
)
def test_the_models_limit_is_found(
    config: dict[str, Any], tokenizer: dict[str, Any], most: int, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer))

    assert read_config(tmp_path).max_tokens == most


@pytest.mark.parametrize(
    ("config", "function"),
    [
        ({"id2label": {"0": "a", "1": "b"}}, "softmax"),
        ({"id2label": {"0": "a", "1": "b"}, "problem_type": "multi_label_classification"}, "sigmoid"),
        ({"id2label": {"0": "a"}}, "none"),
        ({"id2label": {"0": "a"}, "problem_type": "regression"}, "none"),
        ({}, "softmax"),
    ],
)
def test_the_scores_function_fits_the_problem(config: dict[str, Any], function: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))

    assert read_config(tmp_path).scores_function == function


@pytest.mark.parametrize("labels", [{"1": "a", "2": "b"}, {"one": "a"}])
def test_labels_with_gaps_are_refused(labels: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"id2label": labels}))

    with pytest.raises(LoadFailed, match="they must be 0 to"):
        read_config(tmp_path)


def test_a_limit_that_special_tokens_fill_is_refused(tiny: Path) -> None:
    tokenizer = load_tokenizer(tiny, read_config(tiny))

    with pytest.raises(LoadFailed, match="reads 2 tokens and its tokenizer adds 2"):
        TextTokenizer(tokenizer, 2)


def test_truncation_keeps_the_special_tokens(tiny: Path) -> None:
    tokenizer = TextTokenizer(load_tokenizer(tiny, read_config(tiny)), 5)

    [tokens] = tokenizer.encode(["w7 w8 w9 w10"])

    assert tokens == Tokens([2, 7, 8, 9, 3], [0] * 5, truncated=True)


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(folder: Path) -> dict[str, Any]:
        made.append(folder)
        (folder / "model.onnx").write_bytes(b"graph")
        return {"made": len(made)}

    first, second = open_entry(tmp_path, "k", make), open_entry(tmp_path, "k", make)

    assert first == second
    assert len(made) == 1
    assert not made[0].exists()


def test_a_failed_making_leaves_nothing_and_can_be_tried_again(tmp_path: Path) -> None:
    def fail(folder: Path) -> dict[str, Any]:
        (folder / "model.onnx").write_bytes(b"half")
        raise LoadFailed("out of luck")

    def make(folder: Path) -> dict[str, Any]:
        (folder / "model.onnx").write_bytes(b"whole")
        return {}

    with pytest.raises(LoadFailed, match="out of luck"):
        open_entry(tmp_path, "k", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["k.lock"]

    assert open_entry(tmp_path, "k", make).graph.read_bytes() == b"whole"


def test_what_a_dead_process_left_behind_is_swept_and_a_damaged_entry_made_again(tmp_path: Path) -> None:
    def make(folder: Path) -> dict[str, Any]:
        (folder / "model.onnx").write_bytes(b"whole")
        return {}

    entry = open_entry(tmp_path, "k", make)
    entry.graph.write_bytes(b"who")
    (tmp_path / ".k.left").mkdir()

    assert open_entry(tmp_path, "k", make).graph.read_bytes() == b"whole"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["k", "k.lock"]


def test_a_cache_that_cannot_be_written_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(LoadFailed, match="set PULSE_CACHE_DIR"):
        open_entry(tmp_path / "file", "k", lambda _: {})


def test_a_file_that_cannot_be_read_while_an_entry_is_made_is_not_blamed_on_the_cache(tmp_path: Path) -> None:
    def make(_: Path) -> dict[str, Any]:
        (tmp_path / "weights").read_bytes()
        return {}

    def fill(_: Path) -> dict[str, Any]:
        raise OSError(28, "No space left on device")

    with pytest.raises(LoadFailed, match=r"cannot be used: .*weights"):
        open_entry(tmp_path / "cache", "k", make)
    with pytest.raises(LoadFailed, match="set PULSE_CACHE_DIR"):
        open_entry(tmp_path / "cache", "k", fill)


def test_a_graph_whose_nodes_have_no_names_is_quantised_too(tmp_path: Path) -> None:
    tensors = {"w": np.ones((64, 64), np.float32), "head": np.ones((64, 2), np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        helper.make_node("MatMul", ["y", "head"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(values, name) for name, values in tensors.items()],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        tmp_path / "exact.onnx",
    )

    quantise(tmp_path / "exact.onnx", tmp_path / "int8.onnx")

    kinds = [node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node]
    assert kinds.count("MatMulInteger") == 1
    assert kinds.count("MatMul") == 1  # the narrow one stays


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    one, same, other = (tmp_path / name for name in "abc")
    for path, content in ((one, b"x"), (same, b"x"), (other, b"y")):
        path.write_bytes(content)

    assert content_digest([one], "v1") == content_digest([same], "v1")
    assert len({content_digest([one], "v1"), content_digest([other], "v1"), content_digest([one], "v2")}) == 3


def _serve(folder: str, answers: Any) -> None:
    task = TextClassification(folder, threads=1)
    task.load()
    [answer] = task.predict([Text("w7 w8")])
    assert isinstance(answer, Predictions)
    answers.put(answer.predictions[0].score)


@pytest.mark.process
def test_processes_that_start_together_share_one_entry(tiny: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    processes = [context.Process(target=_serve, args=(str(tiny), answers)) for _ in range(2)]
    for process in processes:
        process.start()

    scores = {answers.get(timeout=25) for _ in processes}

    for process in processes:
        process.join()
    assert len(scores) == 1
    assert len(list((tmp_path / "pulse-cache" / "hub").glob("*/facts.json"))) == 1


@pytest.mark.parametrize(
    ("cpuinfo", "machine", "wide"),
    [
        ("flags : avx2 avx512f avx512_vnni", "x86_64", True),
        ("flags : avx2 avx_vnni", "x86_64", True),
        ("flags : avx2 avx512f", "x86_64", False),
        ("", "x86_64", False),
        ("", "aarch64", True),
    ],
)
def test_weights_keep_7_bits_only_where_sums_are_narrow(cpuinfo: str, machine: str, wide: bool) -> None:
    assert has_wide_products(cpuinfo, machine) is wide
