"""``pulse serve model.skops`` as a process: rows in, predictions out; what is not trusted; a killed worker."""
# scikit-learn has no types
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LinearRegression, LogisticRegression
from tests.e2e.service import Running, kept_open, open_service, pulse, until_metric

pytestmark = pytest.mark.process

X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0]])

# A model of a user's own that waits on a pipe until the test opens it, as one that computes for long.
_WAITING = """
from pathlib import Path
from sklearn.base import BaseEstimator

GATE = Path(__file__).with_name("gate")


class Waiting(BaseEstimator):
    n_features_in_ = 1

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        with GATE.open() as gate:
            gate.read()
        return X[:, 0] * 2
"""


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with models in files, and a pipe on which one of them waits."""
    skops.io.dump(LogisticRegression().fit(X, ["no", "yes", "no", "yes"]), tmp_path / "mood.skops")
    joblib.dump(LinearRegression().fit(X, [0, 1, 2, 3]), tmp_path / "line.joblib")
    (tmp_path / "waiting_model.py").write_text(_WAITING)
    os.mkfifo(tmp_path / "gate")
    monkeypatch.syspath_prepend(str(tmp_path))
    from waiting_model import Waiting  # pyright: ignore[reportMissingImports]

    skops.io.dump(Waiting(), tmp_path / "waiting.skops")
    monkeypatch.delitem(__import__("sys").modules, "waiting_model")
    return tmp_path


TRUSTED = ("--trust-type", "waiting_model.Waiting")


async def test_rows_are_answered_with_their_refs_and_bad_ones_are_told_why(folder: Path) -> None:
    async with open_service("mood.skops", cwd=folder) as service:
        answered = await service.post("/api/mood", {"ref": "r1", "features": [3, 0]})
        assert answered.status_code == 200
        assert list(answered.json()) == ["ref", "prediction", "predictions"]
        assert answered.json()["ref"] == "r1"
        assert answered.json()["prediction"] == answered.json()["predictions"][0]["label"] == "yes"
        items: list[Any] = [{"features": row} for row in ([0, 1], [1], ["x", 1], [None, 1], {"a": 1, "b": 2})]
        results = (await service.post("/api/mood/batch", [*items, {"features": [0, 1], "reff": 1}])).json()
        assert [result["status"] for result in results["results"]] == [200, 422, 422, 422, 422, 422]
        assert "NaN" in results["results"][3]["error"]["detail"]
        document = (await service.get("/openapi.json")).json()
        body = document["paths"]["/api/mood"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert body["properties"]["features"]["maxItems"] == 2


async def test_a_worker_killed_in_the_middle_of_a_request_is_replaced_and_the_answer_is_right(
    folder: Path,
) -> None:
    options = ("--deadline-ms", "25000", *TRUSTED)
    async with open_service("waiting.skops", *options, cwd=folder) as service:
        asked = [asyncio.create_task(service.post("/api/waiting", _row(0)))]
        await until_metric(service, "pulse_running_items", 1)
        asked += [asyncio.create_task(service.post("/api/waiting", _row(number))) for number in range(1, 5)]
        await until_metric(service, "pulse_queue_items", 4)
        (worker,) = service.workers
        os.kill(worker, signal.SIGKILL)
        async with kept_open(folder / "gate"):
            answers = await asyncio.gather(*asked)
        assert [answer.json() for answer in answers] == [
            {"ref": number, "prediction": 2.0 * number} for number in range(5)
        ]
        assert worker not in service.workers
        assert 'pulse_lost_requests_total{model="waiting"} 0.0' in (await service.get("/metrics")).text


def _row(number: int) -> dict[str, Any]:
    return {"ref": number, "features": [number]}


async def test_a_request_has_one_second_unless_it_says_otherwise_and_the_service_goes_on(
    folder: Path,
) -> None:
    async with open_service("waiting.skops", *TRUSTED, cwd=folder) as service:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        late = await service.post("/api/waiting", _row(1))
        took_s = loop.time() - began_s
        assert (late.status_code, late.json()["code"]) == (504, "deadline_exceeded")
        assert 0.9 < took_s < 5
        soon = await service.post("/api/waiting", _row(2), X_Request_Timeout_Ms="50")
        assert soon.json()["code"] in {"deadline_exceeded", "overloaded"}
        async with kept_open(folder / "gate"):
            answer = await _until_answered(service, 3)
        assert answer == {"ref": 3, "prediction": 6.0}


async def _until_answered(service: Running, number: int) -> Any:
    async with asyncio.timeout(20):
        while (answered := await service.post("/api/waiting", _row(number))).status_code != 200:
            pass
        return answered.json()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("line.joblib",), 3, "is a pickle, and opening one runs any code that is in it"),
        (("waiting.skops",), 3, "add --trust-type waiting_model.Waiting"),
        (("missing.skops",), 2, "there is no file 'missing.skops'"),
    ],
)
async def test_what_cannot_be_served_is_one_line(
    arguments: tuple[str, ...], code: int, says: str, folder: Path
) -> None:
    ended, out, err = await pulse("serve", "--port", "0", *arguments, cwd=folder)
    assert ended == code
    assert out == ""
    *_, line = err.splitlines()
    assert line.startswith("pulse: ")
    assert says in line
    assert "Traceback" not in err


async def test_a_trusted_pickle_is_said_aloud_at_start_and_served_under_its_name(folder: Path) -> None:
    async with open_service("best=line.joblib", "--trust-pickle", cwd=folder) as service:
        assert "pulse: --trust-pickle: whatever code is in a pickle file runs as it is opened" in service.log
        answered = await service.post("/api/best", {"features": [2, 1]})
        assert answered.json() == {"prediction": pytest.approx(2.0)}
