"""A world for each adapter of the store."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from tests.ports.buses import BUSES, Line
from tests.ports.stores import STORES, World, on_its_server
from tests.servers.cassandra import Cassandra
from tests.smollm2 import smollm2

__all__ = ["line", "smollm2", "world"]


@pytest.fixture(params=[on_its_server(name, store) for name, store in STORES.items()])
async def world(request: pytest.FixtureRequest) -> AsyncGenerator[World]:
    opening, needs = request.param
    async with opening(request.getfixturevalue(needs)) as opened:
        yield opened


@pytest.fixture(scope="module")
def keyspace(cassandra: Cassandra) -> Generator[str]:
    """One for a file: its tests have conversations of their own."""
    with cassandra.keyspace() as url:
        yield url


@pytest.fixture
def folder_and_keyspace(tmp_path: Path, keyspace: str) -> tuple[Path, str]:
    return tmp_path, keyspace


@pytest.fixture(params=[on_its_server(name, bus) for name, bus in BUSES.items()])
async def line(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Line]:
    async with request.param(request, tmp_path) as opened:
        yield opened
