"""Files of estimators: what is opened, what is refused, and what a damaged or older file comes to."""
# scikit-learn has no types
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

import json
import os
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LinearRegression

from pulse_ai.core import LoadFailed, TargetError
from pulse_ai.hub import Estimate, Estimator, Row

X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0]])


class Bomb:
    """Runs a command where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("end", ["joblib", "pkl", "pickle", "PKL"])
def test_a_pickle_is_not_opened_unless_a_person_trusts_it(end: str, tmp_path: Path) -> None:
    joblib.dump(Bomb(tmp_path / "bang"), tmp_path / f"model.{end}")
    with pytest.raises(TargetError, match=r"runs any code that is in it.*--trust-pickle"):
        Estimator(str(tmp_path / f"model.{end}")).load()
    assert not (tmp_path / "bang").exists()
    with pytest.raises(TargetError, match="holds a NoneType, which has no predict"):
        Estimator(str(tmp_path / f"model.{end}"), trust_pickle=True).load()
    assert (tmp_path / "bang").exists(), "the bomb is none, and the test shows nothing"


def test_a_trusted_pickle_is_served_and_said_aloud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    joblib.dump(LinearRegression().fit(X, [0, 1, 2, 3]), tmp_path / "model.joblib")
    task = Estimator(str(tmp_path / "model.joblib"), trust_pickle=True)
    task.load()
    (answer,) = task.predict([Row([2, 1])])
    assert isinstance(answer, Estimate)
    assert answer.prediction == pytest.approx(2.0)
    assert "opening the pickle model.joblib" in caplog.text
    assert task.describe()["format"] == "pickle"


def _rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the structure in a skops file."""
    with zipfile.ZipFile(path) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    parts["schema.json"] = change(parts["schema.json"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-9],
        lambda _: b"{}",
        lambda _: b"[" * 100_000,
        lambda text: text.replace(b"Linear", b"Square"),
    ],
    ids=["cut", "empty", "deep", "renamed"],
)
def test_a_damaged_file_is_one_clear_error(change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    skops.io.dump(LinearRegression().fit(X, [0, 1, 2, 3]), path)
    _rewrite(path, change)
    with pytest.raises(
        (LoadFailed, TargetError), match=r"cannot be read as a skops file|not trusted: .*Square"
    ):
        Estimator(str(path)).load()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip at all"])
def test_what_is_no_skops_file_is_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.skops").write_bytes(content)
    with pytest.raises(LoadFailed, match=r"model\.skops cannot be read as a skops file"):
        Estimator(str(tmp_path / "model.skops")).load()
    with zipfile.ZipFile(tmp_path / "other.skops", "w") as archive:
        archive.writestr("readme", "nothing")
    with pytest.raises(LoadFailed, match=r"it has no schema\.json in it"):
        Estimator(str(tmp_path / "other.skops")).load()


def test_a_file_that_would_unpack_to_more_than_the_limit_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skops.io.dump(LinearRegression().fit(X, [0, 1, 2, 3]), tmp_path / "model.skops")
    monkeypatch.setattr("pulse_ai.hub.estimators.skops_files.MOST_STRUCTURE_BYTES", 100)
    with pytest.raises(LoadFailed, match=r"bytes of schema\.json, over the limit of 100"):
        Estimator(str(tmp_path / "model.skops")).load()
    monkeypatch.setattr("pulse_ai.hub.estimators.skops_files.MOST_BYTES", 50)
    with pytest.raises(LoadFailed, match="bytes unpacked, over the limit of 50"):
        Estimator(str(tmp_path / "model.skops")).load()


def test_a_file_of_another_scikit_learn_is_warned_of_and_its_version_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "model.skops"
    skops.io.dump(LinearRegression().fit(X, [0, 1, 2, 3]), path)

    def older(text: bytes) -> bytes:
        state = json.loads(text)
        content = state["content"]["content"]["_sklearn_version"]
        content["content"] = json.dumps("1.4.2")
        return json.dumps(state).encode()

    _rewrite(path, older)
    task = Estimator(str(path), threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        task.load()
    assert task.describe()["fitted_with"] == "scikit-learn 1.4.2"
    assert "version 1.4.2" in caplog.text
