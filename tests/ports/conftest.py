"""A world for each adapter of the store."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.ports.stores import STORES, World


@pytest.fixture(params=list(STORES.values()), ids=list(STORES))
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[World]:
    async with request.param(tmp_path) as opened:
        yield opened
