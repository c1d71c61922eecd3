"""What the service says of itself is valid OpenAPI, and true of what it does."""

import asyncio
import sys
from pathlib import Path

import pytest
from tests.e2e.service import open_service

pytestmark = pytest.mark.process

_SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
_MODELS = ("tasks:Shout", "tasks:Anything", "tasks:Price")

# Left out: not_a_server_error, for 504 is the right answer to the tiny time limits that it tries; and
# negative_data_rejection, for a bad item of a list has a status of its own in an answer that is 200.
_CHECKS = (
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "missing_required_header",
    "unsupported_method",
)


async def test_the_description_is_valid_openapi_3_1(project: Path) -> None:
    validator = pytest.importorskip("openapi_spec_validator")
    async with open_service(*_MODELS, cwd=project) as service:
        document = (await service.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    validator.validate(document)


# That what fits is taken is checked where a schema can say what fits: the items of Anything are free objects, and
# no schema bounds a number somewhere in one to the 64 bits that travel.
_RUNS = {
    "every model": ("--checks", ",".join(_CHECKS), "--max-time", "12"),
    "typed models": (
        *("--checks", ",".join((*_CHECKS, "positive_data_acceptance")), "--max-time", "12"),
        *("--exclude-path", "/api/anything", "--exclude-path", "/api/anything/batch"),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("how", _RUNS)
@pytest.mark.skipif(not _SCHEMATHESIS.exists(), reason="schemathesis is not installed")
async def test_the_service_does_what_its_description_says(project: Path, how: str) -> None:
    async with open_service(*_MODELS, "--deadline-ms", "20000", cwd=project) as service:
        process = await asyncio.create_subprocess_exec(
            str(_SCHEMATHESIS),
            *("run", f"{service.url}/openapi.json", "--max-examples", "25", "--seed", "1"),
            *_RUNS[how],
            "--no-color",
            cwd=project,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(80):
            said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()[-5000:]
        assert (await service.post("/api/shout", "hi")).json() == "HI"
        assert 'code="ok",model="shout"' in (await service.get("/metrics")).text
        assert "ASGI" not in service.log
