"""A world for each adapter of the store."""

from collections.abc import AsyncGenerator

import pytest

from tests.ports.stores import STORES, World
from tests.smollm2 import smollm2

__all__ = ["smollm2", "world"]


@pytest.fixture(
    params=[
        pytest.param(s, marks=[] if name == "sqlite" else pytest.mark.server, id=name)
        for name, s in STORES.items()
    ]
)
async def world(request: pytest.FixtureRequest) -> AsyncGenerator[World]:
    opening, needs = request.param
    async with opening(request.getfixturevalue(needs)) as opened:
        yield opened
