"""The task from outside: its JSON, its options, hostile texts, and what it says of itself."""

__all__ = ()

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from pulse_ai.core import Failure, LoadFailed, TargetError, TaskSpec, build_task, manifest_of, spec_of
from pulse_ai.hub import Predictions, Text, TextClassification
from pulse_ai.hub.text_model import TextModel


@pytest.fixture(scope="module", name="sentiment")
def _sentiment() -> TextClassification:
    task = TextClassification("embedded")
    task.load()
    return task


def _loaded(folder: Path, **options: Any) -> TextClassification:
    task = TextClassification(str(folder), **options)
    task.load()
    return task


def _one(task: TextClassification, text: str) -> Predictions:
    [answer] = task.predict([Text(text)])
    assert isinstance(answer, Predictions)
    return answer


def _edit_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def test_the_answer_in_json_is_to_the_letter(sentiment: TextClassification) -> None:
    answer = json.loads(msgspec.json.encode(_one(sentiment, "A joy from start to finish.")))

    assert list(answer) == ["predictions"]
    assert [list(prediction) for prediction in answer["predictions"]] == [["label", "score"]] * 2
    assert [prediction["label"] for prediction in answer["predictions"]] == ["POSITIVE", "NEGATIVE"]
    assert answer["predictions"][0]["score"] > 0.9


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("An utter waste of two hours.", "NEGATIVE"),
        ("Wonderful, moving and funny.", "POSITIVE"),
        ("It is not good.", "NEGATIVE"),
    ],
)
def test_the_embedded_model_reads_english(sentiment: TextClassification, text: str, label: str) -> None:
    assert _one(sentiment, text).predictions[0].label == label


@given(texts=st.lists(st.text(st.characters(exclude_categories=())), min_size=1, max_size=8))
def test_any_texts_have_answers_whose_scores_sum_to_1(
    sentiment: TextClassification, texts: list[str]
) -> None:
    answers = sentiment.predict([Text(text) for text in texts])

    assert len(answers) == len(texts)
    for answer in answers:
        assert isinstance(answer, Predictions)
        scores = [prediction.score for prediction in answer.predictions]
        assert sum(scores) == pytest.approx(1.0)
        assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "\x00",
        "\ud800 half a pair",
        "\U0001f600" * 50,
        "a" + "\u0301" * 5000,
        "\u202e\u200d\ufeff",
        "[CLS] [SEP] [MASK] [PAD]",
        "\u5929\u6c14\u5f88\u597d",
    ],
)
def test_hostile_texts_are_answered(sentiment: TextClassification, text: str) -> None:
    assert len(_one(sentiment, text).predictions) == 2


def test_an_answer_does_not_depend_on_its_batch_mates(tiny: Path) -> None:
    task = _loaded(tiny, precision="fp32")
    texts = ["w7", "w8 " * 20, "w9 w10 w11", "", "w12 " * 5, "w7"]

    together = task.predict([Text(text) for text in texts])

    for answer, text in zip(together, texts, strict=True):
        assert isinstance(answer, Predictions)
        alone = {p.label: p.score for p in _one(task, text).predictions}
        assert {p.label: p.score for p in answer.predictions} == pytest.approx(alone, abs=1e-5)


def test_only_a_text_that_was_cut_says_so(tiny: Path) -> None:
    task = _loaded(tiny)

    assert not _one(task, "w7 " * 28).truncated
    cut = _one(task, "w7 " * 29)
    assert cut.truncated
    assert cut.predictions == _one(task, "w7 " * 28).predictions
    assert b'"truncated":true' in msgspec.json.encode(cut)


def test_a_megabyte_is_cut_before_it_is_tokenised(tiny: Path) -> None:
    task = _loaded(tiny)
    seen: list[int] = []
    model = task._model
    assert isinstance(model, TextModel)
    inner = model._tokenizer._tokenizer

    class Watching:
        def encode_batch_fast(self, texts: list[str]) -> Any:
            seen.extend(len(text) for text in texts)
            return inner.encode_batch_fast(texts)

    model._tokenizer._tokenizer = Watching()

    assert _one(task, "w7 " * 350_000).truncated
    assert seen == [30 * 20]


def test_a_text_that_the_tokenizer_refuses_fails_alone(tiny: Path) -> None:
    task = _loaded(tiny)
    model = task._model
    assert isinstance(model, TextModel)
    inner = model._tokenizer._tokenizer

    class Picky:
        def encode_batch_fast(self, texts: list[str]) -> Any:
            if "w9" in texts:
                raise Exception("no nines")  # noqa: TRY002 - as tokenizers does
            return inner.encode_batch_fast(texts)

        def encode(self, text: str) -> Any:
            return self.encode_batch_fast([text])[0]

    model._tokenizer._tokenizer = Picky()

    first, refused, last = task.predict([Text("w7"), Text("w9"), Text("w8")])

    assert isinstance(first, Predictions)
    assert refused == Failure("the tokenizer refused this text: no nines")
    assert isinstance(last, Predictions)


def test_a_text_with_a_token_that_the_model_lacks_fails_alone(tiny: Path) -> None:
    tokenizer = json.loads((tiny / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["w7"] = 5000
    (tiny / "tokenizer.json").write_text(json.dumps(tokenizer))

    answers = _loaded(tiny).predict([Text("w8"), Text("w7 w8"), Text("w9 w8 w9")])

    assert [type(answer) for answer in answers] == [Predictions, Failure, Predictions]


def test_padding_is_counted_and_small(tiny: Path) -> None:
    task = _loaded(tiny)
    task.predict([Text("w7 " * 8)] * 15 + [Text("w7 " * 28)])

    assert task.take_counts() == {"tokens": 15 * 10 + 30, "padding_tokens": 0}
    assert task.take_counts() == {"tokens": 0, "padding_tokens": 0}

    task.predict([Text("w7 " * 8), Text("w7 " * 7)])
    assert task.take_counts() == {"tokens": 19, "padding_tokens": 1}


def test_sigmoid_scores_stand_alone(tiny: Path) -> None:
    raw = {p.label: p.score for p in _one(_loaded(tiny, scores_function="none"), "w7").predictions}
    _edit_config(tiny, problem_type="multi_label_classification")
    task = _loaded(tiny)

    scores = {p.label: p.score for p in _one(task, "w7").predictions}

    assert task.describe()["scores_function"] == "sigmoid"
    assert set(scores) == set(raw)
    assert all(0 < score < 1 for score in scores.values())


def test_top_k_keeps_the_best(tiny: Path) -> None:
    everything = _one(_loaded(tiny), "w7").predictions

    assert _one(_loaded(tiny, top_k=1), "w7").predictions == everything[:1]
    assert _one(_loaded(tiny, top_k=99), "w7").predictions == everything


def test_labels_come_from_the_config_or_are_numbered(tiny: Path) -> None:
    _edit_config(tiny, id2label={"1": "good", "0": "bad"})
    assert _loaded(tiny).describe()["labels"] == ["bad", "good"]

    _edit_config(tiny, id2label=None)
    assert _loaded(tiny).describe()["labels"] == ["LABEL_0", "LABEL_1"]


def test_labels_that_do_not_fit_the_model_are_refused(tiny: Path) -> None:
    _edit_config(tiny, id2label={"0": "a", "1": "b", "2": "c"})

    with pytest.raises(LoadFailed, match=r"names 3 labels \(a, b, c\) but the model gives 2 scores"):
        TextClassification(str(tiny)).load()


@pytest.mark.parametrize(
    ("source", "options", "text"),
    [
        ("no/such/folder", {}, "is not a folder here"),
        ("hf:", {}, "does not name a model on the Hub"),
        ("hf:a/b/c", {}, "does not name a model on the Hub"),
        ("hf:a/b@v1", {"revision": "v2"}, "says revision v1, and v2"),
        ("embedded", {"revision": "v2"}, "belongs to hf:owner/name"),
    ],
)
def test_a_source_that_cannot_be_is_refused(source: str, options: dict[str, Any], text: str) -> None:
    with pytest.raises(TargetError, match=text):
        TextClassification(source, **options).load()


@pytest.mark.parametrize(
    "options",
    [{"precision": "int4"}, {"scores_function": "max"}, {"top_k": 0}, {"threads": -1}, {"source": ""}],
)
def test_a_bad_argument_is_refused_when_it_is_given(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        TextClassification(options.pop("source", "embedded"), **options)


def test_an_empty_folder_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"no config\.json"):
        TextClassification(str(tmp_path)).load()


def test_damaged_json_is_named(tiny: Path) -> None:
    (tiny / "config.json").write_text('{"model_type": ')

    with pytest.raises(LoadFailed, match="is not JSON"):
        TextClassification(str(tiny)).load()


def test_a_damaged_graph_is_named(tiny: Path) -> None:
    (tiny / "model.onnx").write_bytes(b"not a graph")

    with pytest.raises(LoadFailed, match="cannot be run"):
        TextClassification(str(tiny), precision="fp32").load()


def _put_graph(folder: Path, shape: list[Any], labels: int) -> None:
    """Put a graph of somebody else's into a checkpoint: its logits are the mean token times a number each."""
    ones = numpy_helper.from_array(np.arange(1, labels + 1, dtype=np.float32)[None], "weights")
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
    ]
    given = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, shape)]
    answer = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [shape[0], labels])]
    graph = helper.make_graph(nodes, "g", given, answer, [ones])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "model.onnx")


@pytest.mark.parametrize("shape", [[1, "length"], ["batch", 16]])
def test_a_graph_of_a_fixed_size_is_a_failed_load(shape: list[Any], tiny: Path) -> None:
    _put_graph(tiny, shape, labels=2)
    with pytest.raises(LoadFailed, match=r"the graph does not run on \d texts of \d+ tokens: .* any size"):
        _loaded(tiny, precision="fp32")


def test_one_number_without_labels_is_given_as_it_is(tiny: Path) -> None:
    _put_graph(tiny, ["batch", "length"], labels=1)
    _edit_config(tiny, id2label=None, label2id=None)
    (answer,) = _one(_loaded(tiny, precision="fp32"), "w7").predictions
    assert answer.label == "LABEL_0"
    assert answer.score > 1.0  # softmax of one number would be 1 for every text


def test_weights_that_are_not_numbers_are_refused(tiny: Path) -> None:
    import numpy as np
    from safetensors import numpy as safetensors

    library: Any = safetensors
    tensors = library.load_file(tiny / "model.safetensors")
    tensors["classifier.bias"] = np.full(2, np.nan, np.float32)
    library.save_file(tensors, tiny / "model.safetensors")

    with pytest.raises(LoadFailed, match="no finite score"):
        TextClassification(str(tiny), precision="fp32").load()


def test_predicting_before_loading_says_so() -> None:
    with pytest.raises(LoadFailed, match=r"call load\(\) first"):
        TextClassification("embedded").predict([Text("hello")])


def test_both_sizes_and_their_agreement_are_described(tiny: Path) -> None:
    described = _loaded(tiny).describe()

    assert described["precision"] == "int8"
    assert described["size_bytes"]["int8"] < described["size_bytes"]["fp32"]
    assert described["agreement"]["texts"] == 24
    assert described["agreement"]["max_score_difference"] < 0.1
    assert _loaded(tiny).describe() == described


def test_what_the_maker_says_of_a_model_is_described(tiny: Path) -> None:
    _edit_config(tiny, pulse={"accuracy": {"int8": 0.9}})
    assert _loaded(tiny).describe()["accuracy"] == {"int8": 0.9}

    _edit_config(tiny, pulse="not an object")
    assert "accuracy" not in _loaded(tiny).describe()


def test_the_manifest_and_the_spec_travel(tiny: Path) -> None:
    task = TextClassification(str(tiny), precision="fp32", top_k=1)

    assert spec_of(task) == TaskSpec(
        "pulse_ai.hub.text_classification:TextClassification", (str(tiny),), {"precision": "fp32", "top_k": 1}
    )
    again = build_task(TaskSpec("pulse_ai.hub:TextClassification", kwargs={"source": str(tiny)}))
    again.load()
    manifest = manifest_of(again, "tiny")
    assert manifest.input_schema["$defs"]["Text"]["properties"] == {"q": {"type": "string"}}
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(manifest.details)) == again.describe()


@pytest.mark.process
def test_importing_the_room_imports_no_engine() -> None:
    program = (
        "import sys, pulse_ai.hub; pulse_ai.hub.TextClassification('embedded');"
        "print([n for n in ('onnxruntime', 'onnx', 'tokenizers', 'huggingface_hub') if n in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
