"""The services that the tests talk to; whatever blocks the event loop fails them."""

from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from tests.web.kit import Make, Service


@pytest.fixture(autouse=True)
def _blocking_the_loop_fails() -> Generator[None]:
    with blockbuster_ctx("pulse_ai") as blockbuster:
        for function in blockbuster.functions.values():
            function.can_block_in(
                "web/pages.py", "__init__"
            )  # the page is read once, before the first request
        yield


@pytest.fixture
async def make_service() -> AsyncGenerator[Make]:
    made: list[Service] = []

    def make(**options: Any) -> Service:
        made.append(Service(**options))
        return made[-1]

    yield make
    for each in made:
        each.engine.close()


@pytest.fixture
async def service(make_service: Make) -> Service:
    return make_service()
