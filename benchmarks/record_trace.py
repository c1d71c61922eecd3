"""Record what batches of the embedded sentiment model take: items, encoded bytes, seconds.

The cost model of the scheduler is tested against such traces. The batches go the way that they go in a worker:
decoded, tokenised, run, encoded. Sizes and lengths are drawn at random, short texts more often than long ones.
Run it with nothing else on the machine::

    python -m benchmarks.record_trace --batches 400

Writes ``tests/serving/traces/sentiment.csv``.
"""

import argparse
import csv
import random
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pulse_ai.hub import Text, TextClassification
from pulse_ai.port import BatchAnswerer, Item, encode_value

TRACE = Path(__file__).parents[1] / "tests" / "serving" / "traces" / "sentiment.csv"
_TEXT = (
    "the film was slow but warm and its ending stays with you although nobody in my row laughed at the jokes "
    "service came late the soup was cold yet the view from that terrace makes up for a lot of small mistakes"
)
_WORDS = _TEXT.split()


def draw_batch(chance: random.Random, *, most_items: int) -> list[Item]:
    """Return the items of one batch."""
    texts = [
        " ".join(chance.choices(_WORDS, k=min(1 + int(chance.lognormvariate(2.5, 0.8)), 100)))
        for _ in range(chance.randint(1, most_items))
    ]
    return [Item(number, msgspec.Raw(encode_value(Text(text)))) for number, text in enumerate(texts)]


def record(*, batches: int, most_items: int, threads: int) -> list[tuple[int, int, float]]:
    """Answer batches with the embedded model; return items, bytes and seconds of each."""
    task = TextClassification("embedded", threads=threads)
    task.load()
    answerer, chance = BatchAnswerer(task), random.Random(7)  # noqa: S311 - not a secret
    rows: list[tuple[int, int, float]] = []
    for _ in range(batches):
        items = draw_batch(chance, most_items=most_items)
        began_s = time.perf_counter()
        answerer.answer(items, max_answer_bytes=1_000_000)
        took_s = time.perf_counter() - began_s
        rows.append((len(items), sum(len(bytes(item.value)) for item in items), took_s))
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Record a trace and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--batches", type=int, default=400)
    parser.add_argument("--most-items", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=TRACE)
    chosen = parser.parse_args(arguments)
    rows = record(batches=chosen.batches, most_items=chosen.most_items, threads=chosen.threads)
    with chosen.out.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("items", "cost_bytes", "took_s"))
        table.writerows((items, cost_bytes, f"{took_s:.6f}") for items, cost_bytes, took_s in rows)


if __name__ == "__main__":
    main()
