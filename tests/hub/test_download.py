"""Fetching from a Hub that runs in this process: what is asked for, what is kept, what goes wrong."""

__all__ = ()

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from pulse_ai.core import LoadFailed, TargetError
from pulse_ai.hub.download import HubAccess, fetch_model
from pulse_ai.hub.sources import HubModel

pytestmark = pytest.mark.process

_MODEL = HubModel("owner/tiny")


class Hub(Protocol):
    """What these tests use of the fake Hub."""

    endpoint: str
    refusal: tuple[int, str] | None
    change: Callable[[bytes], bytes]
    asked: list[str]
    tokens: list[str | None]
    repositories: dict[str, dict[str, bytes]]

    def publish(self, name: str, folder: Path) -> None: ...
    def stop(self) -> None: ...


@pytest.fixture(name="access")
def _access(hub: Hub, tiny: Path, tmp_path: Path) -> HubAccess:
    (tiny / "pytorch_model.bin").write_bytes(b"never fetched")
    hub.publish("owner/tiny", tiny)
    return HubAccess(endpoint=hub.endpoint, cache_folder=tmp_path / "hf-cache")


def _offline(access: HubAccess) -> HubAccess:
    return HubAccess(endpoint=access.endpoint, cache_folder=access.cache_folder, offline=True)


def _no_wait(seconds: float) -> None:
    """Go on at once."""


def _quiet(fraction: float | None, text: str) -> None:
    """Drop a report."""


def test_only_the_files_needed_are_fetched(hub: Hub, access: HubAccess) -> None:
    found = fetch_model(_MODEL, "int8", access, _quiet)

    assert {path.name for path in found.folder.iterdir()} == {
        "config.json",
        "tokenizer.json",
        "model.safetensors",
    }
    assert found.revision == found.folder.name


def test_a_second_fetch_transfers_nothing(hub: Hub, access: HubAccess) -> None:
    fetch_model(_MODEL, "int8", access, _quiet)
    hub.asked.clear()

    fetch_model(_MODEL, "int8", access, _quiet)

    assert not [asked for asked in hub.asked if asked.startswith("GET owner/")]


def test_progress_rises_to_the_share_of_fetching(access: HubAccess) -> None:
    seen: list[tuple[float | None, str]] = []

    fetch_model(_MODEL, "int8", access, lambda fraction, text: seen.append((fraction, text)))

    fractions = [fraction for fraction, _ in seen if fraction is not None]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 0.5
    assert any("model.safetensors" in text for _, text in seen)


@pytest.mark.parametrize("revision", [None, "main", "v1"])
def test_offline_finds_what_was_fetched_before(hub: Hub, access: HubAccess, revision: str | None) -> None:
    model = HubModel("owner/tiny", revision)
    before = fetch_model(model, "int8", access, _quiet)
    hub.asked.clear()

    assert fetch_model(model, "int8", _offline(access), _quiet) == before
    assert not hub.asked


def test_offline_and_never_fetched_says_so(access: HubAccess) -> None:
    with pytest.raises(LoadFailed, match=r"offline, and owner/tiny .* is not in the cache"):
        fetch_model(_MODEL, "int8", _offline(access), _quiet)


def test_a_hub_that_is_away_is_replaced_by_the_cache(hub: Hub, access: HubAccess) -> None:
    before = fetch_model(_MODEL, "int8", access, _quiet)
    hub.stop()

    assert fetch_model(_MODEL, "int8", access, _quiet) == before


def test_a_hub_that_is_away_and_an_empty_cache_say_so(hub: Hub, access: HubAccess) -> None:
    hub.stop()

    with pytest.raises(LoadFailed, match="the Hub cannot be reached"):
        fetch_model(_MODEL, "int8", access, _quiet)


def test_a_hub_in_trouble_is_like_one_that_is_away(hub: Hub, access: HubAccess) -> None:
    hub.refusal = (500, "")

    with pytest.raises(LoadFailed, match="HTTP 500"):
        fetch_model(_MODEL, "int8", access, _quiet)


def test_an_unknown_model_is_named(access: HubAccess) -> None:
    with pytest.raises(TargetError, match="the Hub has no model owner/other"):
        fetch_model(HubModel("owner/other"), "int8", access, _quiet)


def test_an_unknown_revision_is_named(access: HubAccess) -> None:
    with pytest.raises(TargetError, match="owner/tiny has no revision v9"):
        fetch_model(HubModel("owner/tiny", "v9"), "int8", access, _quiet)


def test_an_impossible_name_is_refused(access: HubAccess) -> None:
    with pytest.raises(TargetError, match="is not a model's name"):
        fetch_model(HubModel("owner/--tiny.."), "int8", access, _quiet)


def test_a_gated_model_says_what_to_do(hub: Hub, access: HubAccess) -> None:
    hub.refusal = (403, "GatedRepo")

    with pytest.raises(TargetError, match="accept its terms"):
        fetch_model(_MODEL, "int8", access, _quiet)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_asks_for_a_token(hub: Hub, access: HubAccess, status: int) -> None:
    hub.refusal = (status, "")

    with pytest.raises(TargetError, match="HF_TOKEN"):
        fetch_model(_MODEL, "int8", access, _quiet)


def test_a_model_with_pickles_only_is_not_fetched(hub: Hub, access: HubAccess) -> None:
    del hub.repositories["owner/tiny"]["model.safetensors"]

    with pytest.raises(TargetError, match=r"pytorch_model\.bin.*opening a pickle runs code"):
        fetch_model(_MODEL, "int8", access, _quiet)
    assert not [asked for asked in hub.asked if "resolve" in asked]


def test_a_model_over_the_limit_is_not_fetched(hub: Hub, access: HubAccess) -> None:
    small = HubAccess(endpoint=access.endpoint, cache_folder=access.cache_folder, most_bytes=1000)

    with pytest.raises(TargetError, match="over the limit of 1,000"):
        fetch_model(_MODEL, "int8", small, _quiet)
    assert not [asked for asked in hub.asked if "resolve" in asked]


def test_a_wrong_checksum_is_refused_and_the_next_try_heals_it(hub: Hub, access: HubAccess) -> None:
    hub.change = lambda content: content[:-1] + bytes([content[-1] ^ 1])
    with pytest.raises(LoadFailed, match="did not have the checksum"):
        fetch_model(_MODEL, "int8", access, _quiet)

    hub.change = bytes

    assert fetch_model(_MODEL, "int8", access, _quiet).folder.is_dir()


def test_a_file_cut_short_is_never_used(hub: Hub, access: HubAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", _no_wait)  # it waits between tries
    hub.change = lambda content: content[:100]

    with pytest.raises(LoadFailed, match=r"fetching model\.safetensors .* broke off"):
        fetch_model(_MODEL, "int8", access, _quiet)


def test_every_file_is_of_the_commit_that_was_listed(hub: Hub, access: HubAccess) -> None:
    found = fetch_model(HubModel("owner/tiny", "v1"), "int8", access, _quiet)

    fetched = [asked for asked in hub.asked if "/resolve/" in asked]
    assert fetched
    assert all(f"/resolve/{found.revision}/" in asked for asked in fetched)


def test_a_fetch_that_broke_off_is_not_found_offline(
    hub: Hub, access: HubAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", _no_wait)  # it waits between tries
    hub.change = lambda content: content[:100]
    with pytest.raises(LoadFailed, match="broke off"):
        fetch_model(_MODEL, "int8", access, _quiet)

    with pytest.raises(LoadFailed, match=r"offline, and owner/tiny .* is not in the cache"):
        fetch_model(_MODEL, "int8", _offline(access), _quiet)


_PROGRAM = """
import json, sys
from pulse_ai.hub import Text, TextClassification
task = TextClassification("hf:owner/tiny@v1", threads=1, **json.loads(sys.argv[1]))
task.load()
print(len(task.predict([Text("w7 w8")])[0].predictions), task.describe()["revision"])
"""


def test_the_hub_librarys_own_settings_are_honoured(hub: Hub, access: HubAccess, tmp_path: Path) -> None:
    """In a process of its own, because the library reads its environment when it is imported."""
    own: dict[str, Any] = {"HF_HOME": str(tmp_path / "home"), "HF_TOKEN": "hf_secret"}
    environment = {**os.environ, **own, "HF_ENDPOINT": hub.endpoint}  # noqa: TID251 - handed to a child

    def run(options: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", _PROGRAM, options],
            env={**environment, **changes},
            capture_output=True,
            text=True,
            check=False,
        )

    first = run("{}")
    assert first.stdout.split()[0] == "2", first.stderr
    assert "Bearer hf_secret" in hub.tokens
    hub.stop()
    assert run('{"offline": true}').stdout == first.stdout
    assert run("{}", HF_HUB_OFFLINE="1").stdout == first.stdout
