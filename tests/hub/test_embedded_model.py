"""The embedded model keeps what its card says, and claims no certainty that it has no reason for."""

from pathlib import Path

import pytest

import pulse_ai
from pulse_ai.hub import Predictions, Text, TextClassification

DATA = Path(__file__).parent / "data"
SST2 = Path(__file__).parents[3] / "shared" / "data" / "sst2" / "dev.tsv"


@pytest.fixture(scope="module")
def model() -> TextClassification:
    task = TextClassification("embedded", threads=2)
    task.load()
    return task


def answers(model: TextClassification, texts: list[str]) -> list[Predictions]:
    found = [
        answer for start in range(0, len(texts), 16) for answer in _batch(model, texts[start : start + 16])
    ]
    assert len(found) == len(texts)
    return found


def _batch(model: TextClassification, texts: list[str]) -> list[Predictions]:
    given = model.predict([Text(text) for text in texts])
    return [answer for answer in given if isinstance(answer, Predictions)]


def labelled(path: Path) -> list[tuple[str, str]]:
    return [
        (text, label) for text, _, label in (line.rpartition("\t") for line in path.read_text().splitlines())
    ]


def test_its_examples_are_of_several_lengths_and_all_are_answered(model: TextClassification) -> None:
    examples = model.examples()
    assert len(_batch(model, [example.q for example in examples])) == len(examples)
    sizes = sorted(len(example.q) for example in examples)
    assert sizes[0] < 10
    assert sizes[-1] > 200


def accuracy(model: TextClassification, path: Path) -> float:
    pairs = labelled(path)
    wanted = ["POSITIVE" if label in {"1", "POSITIVE"} else "NEGATIVE" for _, label in pairs]
    given = [answer.predictions[0].label for answer in answers(model, [text for text, _ in pairs])]
    return sum(a == b for a, b in zip(wanted, given, strict=True)) / len(pairs)


def test_accuracy_on_the_dev_sentences_is_what_was_asked(model: TextClassification) -> None:
    if not SST2.exists():
        pytest.skip("the SST-2 sentences are not beside this checkout (../shared/data/sst2/dev.tsv)")
    assert accuracy(model, SST2) >= 0.895


def test_everyday_sentences_are_mostly_right(model: TextClassification) -> None:
    assert accuracy(model, DATA / "smoke.tsv") >= 0.85


def test_the_sentence_of_the_readme_is_positive(model: TextClassification) -> None:
    (answer,) = answers(model, ["A joy from start to finish."])
    assert answer.predictions[0].label == "POSITIVE"
    assert answer.predictions[0].score > 0.9


def test_what_it_cannot_judge_gets_no_certainty(model: TextClassification) -> None:
    texts = (DATA / "outliers.txt").read_text().splitlines()
    tops = [answer.predictions[0].score for answer in answers(model, texts)]
    assert sum(top > 0.75 for top in tops) <= 0.02 * len(tops)
    assert sum(tops) / len(tops) <= 0.6


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "🙂🙃😀", "\x00", "́" * 50])
def test_nothing_to_read_is_near_a_coin_toss(model: TextClassification, text: str) -> None:
    (answer,) = answers(model, [text])
    assert answer.predictions[0].score <= 0.7


def test_a_very_long_text_is_cut_and_the_answer_says_so(model: TextClassification) -> None:
    short, long = answers(model, ["A fine film.", "word " * 100_000])
    assert (short.truncated, long.truncated) == (False, True)


def test_a_batch_mate_does_not_change_an_answer(model: TextClassification) -> None:
    texts = [text for text, _ in labelled(DATA / "smoke.tsv")][:16]
    together = [answer.predictions[0].score for answer in answers(model, texts)]
    alone = [answers(model, [text])[0].predictions[0].score for text in texts]
    assert together == pytest.approx(alone, abs=1e-3)


def test_the_package_carries_at_most_25_mb(model: TextClassification) -> None:
    folder = Path(pulse_ai.__file__).parent / "hub" / "models"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 25_000_000
    assert model.describe()["accuracy"]["sst2_dev_int8"] >= 0.895
