"""Who asks, and how urgently: what the headers mean to the scheduler."""

import pytest

from pulse_ai.core import InvalidInput
from pulse_ai.web.asgi import Scope, read_head


def scope(*headers: tuple[bytes, bytes], client: tuple[str, int] | None = ("10.0.0.7", 1234)) -> Scope:
    return {"headers": list(headers), "client": client}


def test_a_request_is_interactive_and_comes_from_its_address() -> None:
    head = read_head(scope())
    assert (head.priority, head.caller) == ("interactive", "10.0.0.7")


def test_a_batch_request_says_so() -> None:
    assert read_head(scope((b"x-priority", b"batch"))).priority == "batch"


@pytest.mark.parametrize("value", [b"", b"urgent", b"BATCH", b"\xff" * 1000])
def test_an_unknown_priority_is_invalid(value: bytes) -> None:
    with pytest.raises(InvalidInput, match="X-Priority must be interactive or batch"):
        read_head(scope((b"x-priority", value)))


def test_a_key_tells_callers_of_one_address_apart() -> None:
    callers = {read_head(scope((b"x-api-key", key))).caller for key in (b"a", b"b", b"a")}
    assert callers == {"key:a", "key:b"}


def test_a_key_never_meets_an_address() -> None:
    assert read_head(scope((b"x-api-key", b"10.0.0.7"))).caller != read_head(scope()).caller


def test_a_huge_key_takes_little_room() -> None:
    assert len(read_head(scope((b"x-api-key", b"k" * 60_000))).caller) < 200


def test_a_client_without_an_address_has_no_share_of_its_own() -> None:
    assert read_head(scope(client=None)).caller == ""
