"""What a TARGET means."""

from pathlib import Path

import pytest

from pulse_ai.cli.targets import parse_target
from pulse_ai.core import TargetError

HUB = "pulse_ai.hub:TextClassification"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("My Model", "a=b", "sentiment", ".hidden", "---"):
        (tmp_path / folder).mkdir()
    (tmp_path / "shop.py").write_text("")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "name", "source"),
    [
        ("sentiment", "sentiment", "embedded"),
        ("embedded", "sentiment", "embedded"),
        ("mood=sentiment", "mood", "embedded"),
        ("hf:acme/Mood", "mood", "hf:acme/Mood"),
        ("hf:acme/mood@v1.2", "mood", "hf:acme/mood@v1.2"),
        ("hf:acme/mood@refs/pr/1", "mood", "hf:acme/mood@refs/pr/1"),
        ("x=hf:acme/mood", "x", "hf:acme/mood"),
        ("hf:acme/..", "model", "hf:acme/.."),
        ("My Model", "my-model", "My Model"),
        ("./sentiment", "sentiment", "sentiment"),
        ("./a=b", "a-b", "a=b"),
        ("x=./a=b", "x", "a=b"),
        (".hidden", "hidden", ".hidden"),
        ("---", "model", "---"),
    ],
)
def test_a_pretrained_model_is_named_after_what_it_is(text: str, name: str, source: str) -> None:
    target = parse_target(text, {"top_k": 1})
    assert (target.name, target.spec.target) == (name, HUB)
    folder = Path(source).resolve()
    expected = str(folder) if folder.is_dir() and not source.startswith("hf:") else source
    assert target.spec.kwargs == {"source": expected, "top_k": 1}


@pytest.mark.parametrize(
    ("text", "name", "spec"),
    [
        ("shop:Prices", "prices", "shop:Prices"),
        ("shop.models:Prices", "prices", "shop.models:Prices"),
        ("shop.models:Outer.Inner", "inner", "shop.models:Outer.Inner"),
        ("Shop-2=shop:Prices", "Shop-2", "shop:Prices"),
        ("C:model", "model", "C:model"),
    ],
)
def test_a_task_in_a_module_is_named_after_its_class(text: str, name: str, spec: str) -> None:
    target = parse_target(text, {"top_k": 1})
    assert (target.name, target.spec.target, target.spec.kwargs) == (name, spec, {})


def test_a_task_in_a_file_is_found_by_its_path() -> None:
    file = str(Path("shop.py").resolve())
    assert parse_target("shop.py:task", {}).spec.target == f"{file}:task"
    assert parse_target(f"x={file}:Outer.Task", {}) == ("x", parse_target(f"{file}:Outer.Task", {}).spec)
    assert parse_target("shop.py:Outer.Task", {}).name == "task"


@pytest.mark.parametrize(
    ("text", "name", "file"),
    [
        ("price.skops", "price", "price.skops"),
        ("./Price.SKOPS", "price", "Price.SKOPS"),
        ("best=price.skops", "best", "price.skops"),
        ("./a=b.onnx", "a-b", "a=b.onnx"),
        ("m=./a=b.onnx", "m", "a=b.onnx"),
        ("old.pkl", "old", "old.pkl"),
    ],
)
def test_a_file_of_a_fitted_model_is_named_after_the_file(text: str, name: str, file: str) -> None:
    for made in ("price.skops", "Price.SKOPS", "a=b.onnx", "old.pkl"):
        Path(made).write_text("")
    options = {"top_k": 1, "precision": "int8", "trust_types": ["a.B"]}
    target = parse_target(text, options)
    assert (target.name, target.spec.target) == (name, "pulse_ai.hub:Estimator")
    assert target.spec.kwargs == {"source": str(Path(file).resolve()), "top_k": 1, "trust_types": ["a.B"]}


def test_options_for_files_do_not_reach_a_pretrained_model() -> None:
    target = parse_target("sentiment", {"top_k": 1, "trust_types": ["a.B"], "trust_pickle": True})
    assert target.spec.kwargs == {"source": "embedded", "top_k": 1}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a TARGET is empty"),
        ("mood=", "a TARGET is empty"),
        ("a b=shop:Prices", "'a b' is no name: names are 1 to 64 of letters"),
        ("é=", "'é' is no name: names are 1 to 64 of letters"),
        ("a/b=", "'a/b' is no name: names are 1 to 64 of letters"),
        ("hf:", "does not name a repository"),
        ("hf:owner", "does not name a repository"),
        ("hf:/name", "does not name a repository"),
        ("hf:owner/@v1", "does not name a repository"),
        ("hf:a/b/c", "does not name a repository"),
        ("./missing", "no folder './missing'"),
        ("missing.skops", "no file 'missing.skops'"),
        ("a/b.pkl", "no file 'a/b.pkl'"),
        (".skops", "no folder '.skops'"),
        ("missing/too", "no folder 'missing/too'"),
        ("C:\\models\\mood", "cannot tell"),
        ("C:\\shop.py:task", "no file 'C:\\\\shop.py'"),
        ("shop.py", "write shop.py:task"),
        ("./shop.py", "write ./shop.py:task"),
        ("shop.py:", "write shop.py:task"),
        ("shop.py:1", "write shop.py:task"),
        ("=shop:Prices", "cannot tell"),
        ("-x=shop:Prices", "cannot tell"),
        ("n" * 65 + "=shop:Prices", "cannot tell"),
        ("a=b", "cannot tell what 'b' is"),
        ("shop:", "cannot tell"),
        (":Prices", "cannot tell"),
        ("shop", "cannot tell"),
        ("x" * 5000, "cannot tell"),
    ],
)
def test_what_is_no_target_is_told_so(text: str, says: str) -> None:
    with pytest.raises(TargetError) as caught:
        parse_target(text, {})
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "broken", ["", "{}", '{"format": "pulse-tabular"', '{"format": "other", "task": "binary"}']
)
def test_a_trained_folder_whose_facts_are_broken_is_told_so(tmp_path: Path, broken: str) -> None:
    (tmp_path / "recipe.json").write_text("{}")
    (tmp_path / "model.json").write_text(broken)
    with pytest.raises(
        TargetError, match=r"model\.json' is not as pulse train writes it: .*; train the model again"
    ):
        parse_target(str(tmp_path), {})
    (tmp_path / "model.json").unlink()
    with pytest.raises(TargetError, match=r"is not as pulse train writes it: No such file"):
        parse_target(str(tmp_path), {})
