"""A world for each adapter of the store."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.ports.stores import STORES, World
from tests.smollm2 import smollm2

__all__ = ["smollm2", "world"]


@pytest.fixture(params=list(STORES.values()), ids=list(STORES))
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[World]:
    async with request.param(tmp_path) as opened:
        yield opened
