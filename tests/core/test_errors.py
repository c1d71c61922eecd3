"""The tree of errors, and its drawing."""

import inspect
import re

import pytest

from pulse_ai import core
from pulse_ai.core import errors
from pulse_ai.core.errors import (
    DeadlineExceeded,
    Draining,
    NotReady,
    Overloaded,
    PulseError,
    Refused,
    RequestError,
    TooLarge,
)

CODES = {
    "InvalidInput": "invalid_input",
    "TooLarge": "too_large",
    "UnknownModel": "unknown_model",
    "ModelError": "model_error",
    "PoisonedInput": "poisoned_input",
    "DeadlineExceeded": "deadline_exceeded",
    "Overloaded": "overloaded",
    "NotReady": "not_ready",
    "Draining": "draining",
}


def _classes() -> list[type[PulseError]]:
    found = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, PulseError)]
    return [kind for kind in found if kind.__module__ == errors.__name__]


def _drawn() -> tuple[dict[str, str], dict[str, str]]:
    """Read the drawing: the parent of each name, and the code of each name that has one."""
    parents: dict[str, str] = {}
    codes: dict[str, str] = {}
    path: list[str] = []
    for line in inspect.cleandoc(errors.__doc__ or "").splitlines():
        found = re.match(r"^    ([│├└─ ]*)([A-Z]\w+)(?:\s{2,}(\w+)(?:\s{2,}|$))?", line)
        if found is None:
            continue
        depth = len(found[1]) // 4
        path[depth:] = [found[2]]
        if depth:
            parents[found[2]] = path[depth - 1]
        if "_" in (found[3] or "") or found[3] in ("overloaded", "draining"):
            codes[found[2]] = found[3]
    return parents, codes


def test_the_drawing_is_the_tree() -> None:
    parents, codes = _drawn()
    assert parents == {
        kind.__name__: kind.__bases__[0].__name__ for kind in _classes() if kind is not PulseError
    }
    assert codes == CODES


def test_each_answer_has_a_code_of_its_own_that_never_changes() -> None:
    leaves = [kind for kind in _classes() if issubclass(kind, RequestError) and not kind.__subclasses__()]
    assert {kind.__name__: kind.code for kind in leaves} == CODES
    assert len(set(CODES.values())) == len(CODES)


def test_each_error_is_public_once() -> None:
    names = {kind.__name__ for kind in _classes()}
    assert names == set(errors.__all__)
    assert all(getattr(core, name) is getattr(errors, name) for name in names)


@pytest.mark.parametrize(
    "refusal",
    [
        Overloaded(waiting=200, limit=200, unit="items", retry_after_s=0.25),
        NotReady("loading", retry_after_s=0.25),
        Draining(retry_after_s=0.25),
    ],
    ids=lambda refusal: refusal.code,
)
def test_a_refusal_says_when_to_come_back(refusal: Refused) -> None:
    assert refusal.retry_after_s == 0.25
    assert "try again in about 0.2 s" in str(refusal)


def test_an_error_says_the_numbers() -> None:
    assert "70 bytes, over the limit of 60" in str(TooLarge(what="the body", size_bytes=70, limit_bytes=60))
    assert "1.500 s in the queue" in str(DeadlineExceeded(waited_s=1.5, where="in the queue"))
