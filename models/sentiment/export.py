"""Make the shipped folder of a trained classifier: ``python -m models.sentiment.export``.

Ranges for int8 are measured over texts of the training set; the temperature is
fitted to what the quantised graph says about the sentences held out from
training, and folded into the graph's head.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from random import Random

import onnx
import torch
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from tqdm import tqdm

from .encoder import EncoderShape
from .evaluate import MAX_TOKENS, Engine
from .graph import build_graph
from .outliers import OutlierSource
from .quantise import measure_ranges, quantise
from .texts import Example, detokenise, hold_out, join_some, read_examples, vary
from .train import base_folder, fit_temperature

__all__ = ("SHIPPED", "main", "write_model")

LABELS = {0: "NEGATIVE", 1: "POSITIVE"}
SHIPPED = Path("src/pulse_ai/hub/models/sentiment")


def calibration_texts(
    phrases: list[Example], sentences: list[Example], tokenizer: Tokenizer, random: Random
) -> list[str]:
    """Return texts of all the kinds that training showed: a thousand reviews, a thousand outliers."""
    reviews = random.sample(phrases, 600) + random.sample(sentences, 300)
    known = [vary(example.text, random) for example in reviews]
    joined = [example.text for example in join_some(sentences, 100, random)]
    strange = OutlierSource(sorted(tokenizer.get_vocab()), random).draw(1000)
    return [*known, *joined, *(example.text for example in strange)]


def write_tokenizer(folder: Path) -> Tokenizer:
    """Write the tokenizer without settings for padding and truncation, which are the loader's."""
    tokenizer = Tokenizer.from_file(str(base_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    return tokenizer


def write_config(folder: Path, *, temperature: float) -> None:
    """Write ``config.json`` under the names that Hugging Face gives them."""
    shape = EncoderShape()
    config = {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "problem_type": "single_label_classification",
        "id2label": {str(number): label for number, label in LABELS.items()},
        "label2id": {label: number for number, label in LABELS.items()},
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_size,
        "num_hidden_layers": shape.num_hidden_layers,
        "num_attention_heads": shape.num_attention_heads,
        "intermediate_size": shape.intermediate_size,
        "max_position_embeddings": shape.max_position_embeddings,
        "hidden_act": "gelu",
        "layer_norm_eps": shape.layer_norm_eps,
        "pad_token_id": 0,
        "pooling": "mean",
        "quantization": {
            "weights": "int7 per column",
            "activations": "uint8, fixed ranges",
            "embeddings": "int8 per row",
        },
        "calibration": {"temperature": round(temperature, 3), "folded_into_logits": True},
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def held_out_temperature(engine: Engine, held: list[Example]) -> float:
    """Return the temperature under which the engine's logits fit the held-out labels best.

    Each sentence is taken twice, as it is and as people type.
    """
    texts = [example.text for example in held] + [detokenise(example.text) for example in held]
    labels = torch.tensor([int(example.positive) for example in held] * 2)
    return fit_temperature(torch.from_numpy(engine.logits(texts)), labels)


def write_model(work: Path, data: Path, out: Path) -> float:
    """Write graph, tokenizer and configuration; return the temperature inside."""
    weights = load_file(work / "classifier.safetensors")
    held_out = json.loads((work / "training.json").read_text(encoding="utf-8"))["plan"]["held_out"]
    phrases, sentences = read_examples(data / "phrases.tsv"), read_examples(data / "train.tsv")
    phrases, sentences, held = hold_out(phrases, sentences, held_out, Random(0))

    path = out / "onnx" / "model_quantized.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer = write_tokenizer(out)
    texts = calibration_texts(phrases, sentences, tokenizer, Random(1))
    unscaled = build_graph(weights, EncoderShape(), temperature=1.0)
    ids = (encoding.ids[:MAX_TOKENS] for encoding in tokenizer.encode_batch(texts))
    ranges = measure_ranges(unscaled, tqdm(ids, total=len(texts), desc="ranges"))
    onnx.save(quantise(unscaled, ranges), path)

    temperature = held_out_temperature(Engine(out), held)
    scaled = build_graph(weights, EncoderShape(), temperature=temperature)
    onnx.save(quantise(scaled, ranges), path)
    onnx.save(scaled, work / "float.onnx")
    write_config(out, temperature=temperature)
    return temperature


def main() -> None:
    """Read the command line and write the folder, all but its model card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data/sst2"), help="folder of phrases.tsv and train.tsv"
    )
    parser.add_argument("--work", type=Path, required=True, help="folder that train.py wrote")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    options = parser.parse_args()
    temperature = write_model(options.work, options.data, options.out)
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    print(f"{options.out}: {size / 1e6:.2f} MB, temperature {temperature:.3f}")


if __name__ == "__main__":
    main()
