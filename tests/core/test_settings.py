"""A bad setting is refused when it is made."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from pulse_ai.core import SchedulerSettings, WebSettings, WorkerSettings, cache_dir

LEAST = {
    SchedulerSettings: {
        "batch_size": 1, "queue_limit_items": 1, "queue_limit_bytes": 1, "batch_limit_bytes": 1,
        "batch_timeout_s": 0.0, "deadline_s": 0.001, "overdue_s": 0.001,
    },
    WorkerSettings: {
        "workers": 1, "max_frame_bytes": 1024, "restart_intensity": 0, "restart_window_s": 0.0,
        "backoff_first_s": 0.0, "backoff_longest_s": 0.0, "start_timeout_s": 0.001, "stop_timeout_s": 0.001,
        "ping_every_s": 0.001,
    },
    WebSettings: {"port": 0, "grace_s": 0.0, "max_body_bytes": 1},
}  # fmt: skip
MOST = {WorkerSettings: {"max_frame_bytes": 2**32 - 1}, WebSettings: {"port": 65535}}
LEAST_CASES = [(kind, name, least) for kind, names in LEAST.items() for name, least in names.items()]
MOST_CASES = [(kind, name, most) for kind, names in MOST.items() for name, most in names.items()]


@pytest.mark.parametrize(("kind", "name", "least"), LEAST_CASES)
def test_the_least_value_is_taken_and_less_is_refused(kind: Any, name: str, least: float) -> None:
    assert getattr(kind(**{name: least}), name) == least
    with pytest.raises(ValueError, match=f"{name} must be at least"):
        kind(**{name: least - 0.0005})


@pytest.mark.parametrize(("kind", "name", "least"), LEAST_CASES)
def test_a_setting_that_is_no_number_is_refused(kind: Any, name: str, least: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least {least:g}, got nan"):
        kind(**{name: math.nan})


@pytest.mark.parametrize(("kind", "name", "most"), MOST_CASES)
def test_the_most_value_is_taken_and_more_is_refused(kind: Any, name: str, most: int) -> None:
    assert getattr(kind(**{name: most}), name) == most
    with pytest.raises(ValueError, match=f"{name} must be at most"):
        kind(**{name: most + 1})


@pytest.mark.parametrize(
    ("kind", "name"), [(SchedulerSettings, "batch_mode"), (WorkerSettings, "on_give_up")]
)
def test_a_choice_that_is_unknown_is_refused_with_the_known_ones(kind: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be '.*' or '.*', got 'sometimes'"):
        kind(**{name: "sometimes"})


@pytest.mark.parametrize("kind", [SchedulerSettings, WorkerSettings, WebSettings])
def test_settings_are_frozen(kind: Any) -> None:
    made = kind()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, dataclasses.fields(kind)[0].name, 5)


def test_every_setting_with_a_unit_is_in_seconds_or_bytes() -> None:
    names = {field.name for kind in LEAST for field in dataclasses.fields(kind)}
    assert not {name for name in names if name.endswith(("_ms", "_mb", "_seconds"))}


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PULSE_CACHE_DIR", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("PULSE_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "pulse_ai"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "pulse_ai"
