"""What the doctor finds, and what it advises."""

import json
import socket
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pulse_ai.cli.doctor import advise, collect_facts, doctor

HEALTHY: dict[str, Any] = {
    "default_port_free": True,
    "open_files_limit": 65536,
    "cache_dir_writable": True,
    "cores": 8,
    "int8_instructions": ["avx_vnni"],
    "libraries": {"uvloop": "0.22"},
}


def test_a_healthy_machine_needs_no_advice() -> None:
    assert advise(HEALTHY) == []


@pytest.mark.parametrize(
    ("fact", "value", "says"),
    [
        ("default_port_free", False, "port 8000 is in use"),
        ("open_files_limit", 1024, "ulimit"),
        ("cache_dir_writable", False, "PULSE_CACHE_DIR"),
        ("cores", 1, "one core"),
        ("int8_instructions", [], "int8"),
        ("libraries", {"uvloop": "missing"}, "uvloop"),
    ],
)
def test_each_weakness_has_its_advice(fact: str, value: object, says: str) -> None:
    (line,) = advise(HEALTHY | {fact: value})
    assert says in line


def test_the_facts_are_plain_values() -> None:
    facts = collect_facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["memory_gib"] > 0
    assert facts["libraries"]["msgspec"] != "missing"


def test_every_extra_of_the_package_is_told() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(collect_facts()["extras"]) == set(project["optional-dependencies"])


def test_a_cache_folder_that_cannot_be_made_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for folder, can in (
        (tmp_path / "new" / "one", True),
        (tmp_path, True),
        (tmp_path / "file" / "below", False),
    ):
        monkeypatch.setenv("PULSE_CACHE_DIR", str(folder))
        assert collect_facts()["cache_dir_writable"] is can
    assert not (tmp_path / "new").exists()


def test_a_port_in_use_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr("pulse_ai.cli.doctor.WebSettings", type("Settings", (), {"port": port}))
        assert collect_facts()["default_port_free"] is False


@pytest.mark.parametrize("as_json", [False, True])
def test_it_tells_people_and_scripts(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    doctor(json=as_json)
    text = capsys.readouterr().out
    assert "protocol" in text
    if as_json:
        assert "advice" in json.loads(text)
    else:
        assert "True" not in text
        assert "[" not in text
