"""How a command ends: one clear line and a code that a script can use, never a traceback."""

import json
import os
import socket
from pathlib import Path

import pytest
from tests.e2e.service import open_service, pulse

pytestmark = pytest.mark.process


def last_line(text: str) -> str:
    return text.rstrip().splitlines()[-1]


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("tasks:Broken", "the weights are gone"),
        ("tasks:Nobody", "'Nobody' in 'tasks' does not exist"),
        ("nowhere:Task", "cannot import 'nowhere'"),
        ("syntax.py:task", "syntax.py"),
        ("tasks:not_a_task", "is of the type int, not a Task"),
    ],
)
async def test_a_task_that_cannot_be_loaded_is_one_line_and_3(project: Path, target: str, says: str) -> None:
    code, _, err = await pulse("serve", "--port", "0", target, cwd=project)
    assert code == 3
    assert last_line(err).startswith("pulse: cannot load: ")
    assert says in last_line(err)
    assert "Traceback" not in err
    assert len(err.splitlines()) == 2  # that it listens, and why it ends


async def test_the_traceback_of_a_load_that_fails_is_shown_to_who_asks(project: Path) -> None:
    code, _, err = await pulse("serve", "--port", "0", "--verbose", "tasks:Broken", cwd=project)
    assert code == 3
    assert "Traceback" in err
    assert last_line(err).startswith("pulse: cannot load: ")


async def test_a_wrong_command_line_is_one_line_and_2(project: Path) -> None:
    code, out, err = await pulse("serve", "--port", "0", "./missing", cwd=project)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("pulse: there is no folder './missing'")


async def test_a_port_in_use_is_told_before_anything_is_loaded(project: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = await pulse("serve", "--port", str(port), "tasks:Broken", cwd=project)
    assert code == 2
    assert err == f"pulse: 127.0.0.1:{port} is in use; stop what listens there, or choose another --port\n"


async def test_workers_that_keep_ending_end_the_service_with_4_where_that_is_wanted(project: Path) -> None:
    code, _, err = await pulse("serve", "--port", "0", "--on-give-up", "exit", "tasks:Dying", cwd=project)
    assert code == 4
    assert last_line(err).startswith("pulse: gave up: ")
    assert "Traceback" not in err


async def test_workers_that_keep_ending_leave_the_service_listening_otherwise(project: Path) -> None:
    async with open_service("tasks:Dying", cwd=project, ready=False) as service:
        while "failed" not in (readyz := await service.get("/readyz")).text:
            assert readyz.status_code == 503
        assert (await service.get("/healthz")).status_code == 200
        refused = await service.post("/api/dying", "x")
        assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")


async def test_whoever_stops_reading_the_events_does_not_end_the_service(project: Path) -> None:
    async with open_service("tasks:LoadsForEver", cwd=project, ready=False) as service:
        service.process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        (project / "gate").write_text("")
        while (await service.get("/readyz")).status_code != 200:
            pass
        assert (await service.post("/api/loadsforever", "x")).status_code == 200
        service.process.terminate()
        assert await service.wait_exit() == 0
        assert "Traceback" not in service.log


async def test_doctor_tells_people_and_scripts() -> None:
    code, out, _ = await pulse("doctor")
    assert code == 0
    assert "python" in out
    code, out, _ = await pulse("doctor", "--json")
    assert code == 0
    facts = json.loads(out)
    assert facts["protocol"] == 1
    assert facts["cores"] == len(os.sched_getaffinity(0))
    assert isinstance(facts["advice"], list)
