"""A database of PostgreSQL with several stores on it, as several processes would have them."""

from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from tertulia.adapters.keyfile import MemoryVault
from tertulia.adapters.sql.postgres import PostgresStore, open_postgres_store
from tertulia.domain.ids import UserId
from tertulia.kit.clock import SystemClock
from tests.ports.stores import KEYRING, NotedSignals, database
from tests.servers.postgresql import PostgreSQL


@pytest.fixture
def url(postgres: PostgreSQL) -> Generator[str]:
    """Of an empty database of Tertulia's, for a vault over KEYRING."""
    with database(postgres) as url:
        yield url


@dataclass(frozen=True)
class Crowd:
    """Stores over one database, and the account in it."""

    stores: list[PostgresStore]
    owner: UserId
    vault: MemoryVault


@pytest.fixture
async def crowd(url: str) -> AsyncGenerator[Crowd]:
    vault = MemoryVault(KEYRING)
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(
                open_postgres_store(
                    url,
                    vault,
                    NotedSignals(),
                    SystemClock(),
                    writers=4,
                    readers=1,
                )
            )
            for _ in range(3)
        ]
        owner = await stores[0].write(lambda tx: tx.accounts.owner())
        yield Crowd(stores, owner.id, vault)
