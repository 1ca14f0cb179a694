"""A world for each adapter of the store."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.ports.buses import BUSES, Line
from tests.ports.stores import STORES, World, on_its_server
from tests.smollm2 import smollm2

__all__ = ["line", "smollm2", "world"]


@pytest.fixture(params=[on_its_server(name, store) for name, store in STORES.items()])
async def world(request: pytest.FixtureRequest) -> AsyncGenerator[World]:
    opening, needs = request.param
    async with opening(request.getfixturevalue(needs)) as opened:
        yield opened


@pytest.fixture(params=[on_its_server(name, bus) for name, bus in BUSES.items()])
async def line(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Line]:
    async with request.param(request, tmp_path) as opened:
        yield opened
