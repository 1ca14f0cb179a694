"""The opener of the store: its URL chooses the database."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tertulia.adapters.sql.settings import StoreSettings
from tertulia.adapters.sql.sqlite import SqliteStore, open_sqlite_store
from tertulia.kit.clock import Clock
from tertulia.kit.process_settings import ProcessSettings
from tertulia.ports.key_vault import KeyVault
from tertulia.ports.signals import Signals


@asynccontextmanager
async def open_store(
    process: ProcessSettings,
    settings: StoreSettings,
    vault: KeyVault,
    signals: Signals,
    clock: Clock,
) -> AsyncGenerator[SqliteStore]:
    """Store and StoreAdmin in one object."""
    async with open_sqlite_store(
        settings.database(process.home),
        vault,
        signals,
        clock,
        busy_timeout_s=settings.busy_timeout_s,
    ) as store:
        yield store
