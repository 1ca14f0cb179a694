"""A world for each adapter of the store."""

from collections.abc import AsyncGenerator

import pytest

from tests.ports.stores import STORES, World, on_its_server
from tests.smollm2 import smollm2

__all__ = ["smollm2", "world"]


@pytest.fixture(params=[on_its_server(name, store) for name, store in STORES.items()])
async def world(request: pytest.FixtureRequest) -> AsyncGenerator[World]:
    opening, needs = request.param
    async with opening(request.getfixturevalue(needs)) as opened:
        yield opened
