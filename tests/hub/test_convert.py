"""Converted graphs against a plain NumPy forward pass, written from the papers' formulas; no torch needed."""

__all__ = ()

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pulse_ai.core import LoadFailed, TargetError
from pulse_ai.hub import Predictions, Text, TextClassification
from pulse_ai.hub.synthetic import make_random_checkpoint

Array = NDArray[Any]
Tensors = dict[str, Array]

_FAMILIES = ("bert", "distilbert", "roberta")
_TINY: dict[str, Any] = {"hidden": 32, "heads": 4, "layers": 2, "vocab": 60, "positions": 30, "labels": 3}


def _load(folder: Path) -> tuple[dict[str, Any], Tensors]:
    from safetensors import numpy as safetensors

    library: Any = safetensors
    return json.loads((folder / "config.json").read_text()), library.load_file(folder / "model.safetensors")


def _save(folder: Path, tensors: Tensors, name: str = "model.safetensors") -> None:
    from safetensors import numpy as safetensors

    library: Any = safetensors
    library.save_file({key: np.ascontiguousarray(value) for key, value in tensors.items()}, folder / name)


def _edit_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def _norm(x: Array, tensors: Tensors, name: str) -> Array:
    apart = x - x.mean(-1, keepdims=True)
    spread = np.sqrt((apart**2).mean(-1, keepdims=True) + 1e-12)
    return apart / spread * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]


def _dense(x: Array, tensors: Tensors, name: str) -> Array:
    return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]


def _gelu(x: Array) -> Array:
    return x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def _attention(query: Array, key: Array, value: Array, heads: int) -> Array:
    length, width = query.shape
    split = [part.reshape(length, heads, -1).transpose(1, 0, 2) for part in (query, key, value)]
    weights = split[0] @ split[1].transpose(0, 2, 1) / math.sqrt(width / heads)
    weights = np.exp(weights - weights.max(-1, keepdims=True))
    mixed = weights / weights.sum(-1, keepdims=True) @ split[2]
    return mixed.transpose(1, 0, 2).reshape(length, width)


_BERT_PARTS = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)
_DISTILBERT_PARTS = (
    "attention.q_lin",
    "attention.k_lin",
    "attention.v_lin",
    "attention.out_lin",
    "sa_layer_norm",
    "ffn.lin1",
    "ffn.lin2",
    "output_layer_norm",
)


def _forward(family: str, tensors: Tensors, ids: list[int], *, heads: int, layers: int) -> Array:
    """Return one text's logits in float64."""
    tensors = {name: values.astype(np.float64) for name, values in tensors.items()}
    at, embeddings = f"{family}.", f"{family}.embeddings."
    places = np.arange(len(ids)) + (1 if family == "roberta" else 0)
    x = tensors[f"{embeddings}word_embeddings.weight"][ids]
    x = x + tensors[f"{embeddings}position_embeddings.weight"][places]
    if family != "distilbert":
        x = x + tensors[f"{embeddings}token_type_embeddings.weight"][0]
    x = _norm(x, tensors, f"{embeddings}LayerNorm")
    for number in range(layers):
        middle = f"transformer.layer.{number}." if family == "distilbert" else f"encoder.layer.{number}."
        parts = _DISTILBERT_PARTS if family == "distilbert" else _BERT_PARTS
        q, k, v, attended, attended_norm, inner, outer, outer_norm = (at + middle + part for part in parts)
        mixed = _attention(_dense(x, tensors, q), _dense(x, tensors, k), _dense(x, tensors, v), heads)
        x = _norm(_dense(mixed, tensors, attended) + x, tensors, attended_norm)
        x = _norm(_dense(_gelu(_dense(x, tensors, inner)), tensors, outer) + x, tensors, outer_norm)
    if family == "distilbert":
        return _dense(np.maximum(_dense(x[0], tensors, "pre_classifier"), 0), tensors, "classifier")
    if family == "bert":
        return _dense(np.tanh(_dense(x[0], tensors, "bert.pooler.dense")), tensors, "classifier")
    return _dense(np.tanh(_dense(x[0], tensors, "classifier.dense")), tensors, "classifier.out_proj")


def _ids(text: str) -> list[int]:
    """Return the tokens of the random checkpoints' tokenizer: w7 is 7, between [CLS] 2 and [SEP] 3."""
    return [2, *(int(word.removeprefix("w")) for word in text.split()), 3]


def _texts() -> list[str]:
    random = np.random.default_rng(5)
    return [" ".join(f"w{n}" for n in random.integers(5, 60, size)) for size in (0, 1, 2, 5, 5, 13, 27, 28)]


def _logits(folder: Path, texts: list[str], **options: Any) -> Array:
    task = TextClassification(str(folder), scores_function="none", **options)
    task.load()
    labels: list[str] = task.describe()["labels"]
    rows: list[list[float]] = []
    for answer in task.predict([Text(text) for text in texts]):
        assert isinstance(answer, Predictions)
        scores = {prediction.label: prediction.score for prediction in answer.predictions}
        rows.append([scores[label] for label in labels])
    return np.array(rows)


def _expected(folder: Path, texts: list[str]) -> Array:
    config, tensors = _load(folder)
    return np.array([_forward(config["model_type"], tensors, _ids(t), heads=4, layers=2) for t in texts])


@pytest.mark.parametrize("family", _FAMILIES)
def test_a_padded_batch_in_fp32_agrees_with_numpy(family: Any, tmp_path: Path) -> None:
    folder = make_random_checkpoint(tmp_path / family, family=family, spread=0.2, **_TINY)

    ours = _logits(folder, _texts(), precision="fp32")

    np.testing.assert_allclose(ours, _expected(folder, _texts()), atol=1e-4)


@pytest.mark.parametrize("family", _FAMILIES)
def test_int8_stays_near_fp32(family: Any, tmp_path: Path) -> None:
    folder = make_random_checkpoint(tmp_path / family, family=family, spread=0.2, **_TINY)

    apart = np.abs(_logits(folder, _texts(), precision="int8") - _expected(folder, _texts()))

    assert apart.max() < 0.25
    assert apart.mean() < 0.05


@pytest.mark.parametrize("kind", ["F16", "BF16"])
def test_half_precision_weights_are_read_exactly(kind: str, tmp_path: Path) -> None:
    folder = make_random_checkpoint(tmp_path / "whole", spread=0.2, **_TINY)
    _, tensors = _load(folder)
    if kind == "F16":
        stored = {name: values.astype(np.float16) for name, values in tensors.items()}
        exact = {name: values.astype(np.float32) for name, values in stored.items()}
    else:
        stored = {name: (values.view(np.uint32) >> 16).astype(np.uint16) for name, values in tensors.items()}
        exact = {name: (v.astype(np.uint32) << 16).view(np.float32) for name, v in stored.items()}
    _save_as(folder, stored, kind)

    ours = _logits(folder, _texts(), precision="fp32")

    _save(folder, exact)
    np.testing.assert_allclose(ours, _expected(folder, _texts()), atol=1e-4)


def _save_as(folder: Path, tensors: Tensors, kind: str) -> None:
    """Write tensors under a dtype that NumPy may not have."""
    header: dict[str, Any] = {}
    body = b""
    for name, values in tensors.items():
        content = values.tobytes()
        offsets = [len(body), len(body) + len(content)]
        header[name] = {"dtype": kind, "shape": list(values.shape), "data_offsets": offsets}
        body += content
    encoded = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(encoded).to_bytes(8, "little") + encoded + body)


def test_shards_are_read_through_their_index(tiny: Path) -> None:
    _, tensors = _load(tiny)
    expected = _expected(tiny, _texts())
    (tiny / "model.safetensors").unlink()
    shards = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    places = {name: shards[number % 2] for number, name in enumerate(tensors)}
    for shard in shards:
        _save(tiny, {name: tensors[name] for name in tensors if places[name] == shard}, shard)
    (tiny / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))

    np.testing.assert_allclose(_logits(tiny, _texts(), precision="fp32"), expected, atol=1e-4)

    (tiny / shards[1]).unlink()
    with pytest.raises(LoadFailed, match=r"model-00002-of-00002\.safetensors cannot be read"):
        TextClassification(str(tiny), precision="fp32").load()


@pytest.mark.parametrize("name", ["../elsewhere.safetensors", "/etc/passwd", "", 5, None])
def test_an_index_cannot_name_files_elsewhere(tiny: Path, name: object) -> None:
    (tiny / "model.safetensors").unlink()
    (tiny / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))

    with pytest.raises(LoadFailed, match="no safetensors file in its folder"):
        TextClassification(str(tiny)).load()


def test_old_names_of_norms_are_understood(tmp_path: Path) -> None:
    folder = make_random_checkpoint(tmp_path / "old", family="bert", spread=0.2, **_TINY)
    expected = _expected(folder, _texts())
    _, tensors = _load(folder)
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    renamed: Tensors = {}
    for name, values in tensors.items():
        end = next((end for end in old if name.endswith(end)), None)
        renamed[name.removesuffix(end) + old[end] if end else name] = values
    _save(folder, renamed)

    np.testing.assert_allclose(_logits(folder, _texts(), precision="fp32"), expected, atol=1e-4)


def test_a_checkpoint_without_a_classifier_is_named(tiny: Path) -> None:
    _, tensors = _load(tiny)
    _save(tiny, {name: values for name, values in tensors.items() if "classifier" not in name})

    with pytest.raises(LoadFailed, match=r"no pre_classifier\.weight; it is not a sequence classifier"):
        TextClassification(str(tiny)).load()


def test_a_tensor_of_another_shape_is_named(tiny: Path) -> None:
    _edit_config(tiny, dim=64)

    with pytest.raises(LoadFailed, match=r"has shape \(60, 32\), the config asks for \(None, 64\)"):
        TextClassification(str(tiny)).load()


def test_a_file_cut_short_is_named(tiny: Path) -> None:
    path = tiny / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])

    with pytest.raises(LoadFailed, match="damaged or cut short"):
        TextClassification(str(tiny)).load()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"model_type": "deberta-v2"}, "a checkpoint of type 'deberta-v2' cannot be converted"),
        ({"activation": "swishy"}, "the activation 'swishy' cannot be drawn"),
        ({"position_embedding_type": "relative_key"}, "relative_key positions"),
    ],
)
def test_what_cannot_be_drawn_says_to_export(tiny: Path, changes: dict[str, Any], text: str) -> None:
    _edit_config(tiny, **changes)

    with pytest.raises(TargetError, match=text) as caught:
        TextClassification(str(tiny)).load()
    assert "optimum" in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        *({"dim": 0}, {"n_layers": None}, {"n_heads": 5}, {"n_heads": "4"}, {"model_type": ["bert"]}),
        *(
            {"layer_norm_eps": None},
            {"layer_norm_eps": "x"},
            {"pad_token_id": [1]},
            {"pad_token_id": 10**400},
        ),
    ],
    ids=str,
)
def test_impossible_sizes_are_refused(tiny: Path, changes: dict[str, Any]) -> None:
    _edit_config(tiny, **changes)

    with pytest.raises(LoadFailed, match=r"config\.json"):
        TextClassification(str(tiny)).load()


def test_shipped_onnx_is_preferred_and_used_as_it_is(tiny: Path, tmp_path: Path) -> None:
    expected = _expected(tiny, _texts())
    _logits(tiny, _texts(), precision="fp32")
    [made] = (tmp_path / "pulse-cache" / "hub").glob("*/model.onnx")
    (tiny / "onnx").mkdir()
    shutil.move(made, tiny / "onnx" / "model.onnx")
    (tiny / "model.safetensors").unlink()

    np.testing.assert_allclose(_logits(tiny, _texts(), precision="fp32"), expected, atol=1e-4)
    assert np.abs(_logits(tiny, _texts(), precision="int8") - expected).max() < 0.25
