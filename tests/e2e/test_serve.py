"""What a user gets from ``pulse serve``."""

import importlib.util
import json
from pathlib import Path

import pytest
from tests.e2e.service import open_service

pytestmark = pytest.mark.process

_EMBEDDED = Path(importlib.util.find_spec("pulse_ai").submodule_search_locations[0]) / "hub/models/sentiment"  # type: ignore[union-attr, index]
needs_model = pytest.mark.skipif(
    not (_EMBEDDED / "config.json").exists(), reason="the embedded model is not in this checkout"
)


@needs_model
async def test_one_command_serves_sentiment() -> None:
    async with open_service() as service:
        answered = await service.post("/api/sentiment", {"q": "A joy from start to finish."})
        assert answered.status_code == 200
        labels = [prediction["label"] for prediction in answered.json()["predictions"]]
        assert labels == ["POSITIVE", "NEGATIVE"]
        worst = (await service.post("/api/sentiment", {"q": "A dull, lifeless mess."})).json()
        assert worst["predictions"][0]["label"] == "NEGATIVE"
        for odd in ("", " ", "\x00", "\U0001f600" * 500, "不错", "a " * 20_000):
            assert (await service.post("/api/sentiment", {"q": odd})).status_code == 200
        assert (await service.post("/api/sentiment", {"text": "x"})).status_code == 422
        many = await service.post("/api/sentiment/batch", [{"q": "good"}, {"q": 1}, {"q": "bad"}])
        assert [result["status"] for result in many.json()["results"]] == [200, 422, 200]
        assert service.rss_mib < 120


async def test_it_listens_at_once_and_is_ready_once_it_has_loaded(project: Path) -> None:
    async with open_service("tasks:LoadsForEver", cwd=project, ready=False) as service:
        assert (await service.get("/healthz")).status_code == 200
        readyz = await service.get("/readyz")
        assert (readyz.status_code, readyz.json()["code"]) == (503, "not_ready")
        assert int(readyz.headers["retry-after"]) >= 1
        refused = await service.post("/api/loadsforever", "x")
        assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
        assert "retry-after" in refused.headers
        (project / "gate").write_text("")
        await service.wait_event("ready")
        assert (await service.get("/readyz")).status_code == 200
        assert (await service.post("/api/loadsforever", "x")).json() == "x"


async def test_tasks_of_a_user_are_served_by_name_from_where_it_is_started(project: Path) -> None:
    async with open_service("tasks:Shout", "tasks.py:Anything", "prices=tasks:Price", cwd=project) as service:
        assert (await service.post("/api/shout", "hi")).json() == "HI"
        assert (await service.post("/api/shout", 1)).json()["code"] == "invalid_input"
        assert (await service.post("/api/anything", {"b": 1, "a": [2]})).json() == {"keys": ["a", "b"]}
        assert (await service.post("/api/anything", [])).json()["code"] == "invalid_input"
        assert (await service.post("/api/prices", {"product": "tea", "count": 2})).json() == 5.0
        assert (await service.post("/api/prices", {"product": "tea"})).json() == 2.5
        none = await service.post("/api/prices", {"product": "tea", "count": 0})
        assert (none.status_code, none.json()["detail"]) == (500, "nothing was ordered")
        missing = await service.post("/api/prices", {"count": 2})
        assert (missing.status_code, missing.json()["code"]) == (422, "invalid_input")
        unknown = await service.post("/api/nobody", "x")
        assert unknown.status_code == 404
        assert all(name in unknown.json()["detail"] for name in ("shout", "anything", "prices"))
        paths = (await service.get("/openapi.json")).json()["paths"]
        assert {"/api/shout", "/api/anything", "/api/prices/batch"} <= paths.keys()
        assert "a library that prints" in service.log


async def test_an_instance_in_a_file_elsewhere_is_served(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    async with open_service(f"loud={project / 'tasks.py'}:shout", cwd=elsewhere) as service:
        assert (await service.post("/api/loud", "hi")).json() == "HI"


async def test_what_it_says_as_json_is_an_event_a_line_and_its_log_has_no_inputs(project: Path) -> None:
    secret = "my-secret-input"
    async with open_service("tasks:Shout", cwd=project) as service:
        await service.post("/api/shout", secret)
        await service.post("/api/shout", {secret: secret})
        await service.post(f"/api/{secret}", secret)
        await service.client.post(
            service.url + "/api/shout", content=f'"{secret}', headers={"x-secret": secret}
        )
        reader, writer = await service.connect()
        writer.write(secret.encode() + b"\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()
        service.process.terminate()
        assert await service.wait_exit() == 0
        await service.wait_event("stopped")
        assert [event["event"] for event in service.events] == ["listening", "ready", "stopped"]
        assert all(event["url"] == service.url for event in service.events)
        assert secret not in service.log
        assert secret not in json.dumps(service.events)
        assert "uvicorn" not in service.log.lower()
        assert "Traceback" not in service.log
