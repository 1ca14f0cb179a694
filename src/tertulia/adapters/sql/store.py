"""The opener of the store: its URL chooses the database."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from importlib.util import find_spec
from typing import TYPE_CHECKING

from tertulia.adapters.sql.settings import StoreSettings
from tertulia.adapters.sql.sqlite import SqliteStore, open_sqlite_store
from tertulia.kit.clock import Clock
from tertulia.kit.process_settings import ProcessSettings
from tertulia.ports.history import ChosenHistory
from tertulia.ports.key_vault import KeyVault
from tertulia.ports.signals import Signals
from tertulia.ports.store import Store, StoreUnavailableError

if TYPE_CHECKING:
    from tertulia.adapters.sql.postgres import PostgresStore
    from tertulia.adapters.sql.postgres_open import Patience, Place


@asynccontextmanager
async def open_store(
    process: ProcessSettings,
    settings: StoreSettings,
    vault: KeyVault,
    signals: Signals,
    clock: Clock,
    chosen: ChosenHistory,
) -> AsyncGenerator[Store]:
    """Store and StoreAdmin in one object; Mover too when there is a history log."""
    async with _opened(process, settings, vault, signals, clock) as database:
        if chosen.log is None:
            yield database
            return
        from tertulia.adapters.sql.moving import MovingStore

        yield MovingStore(database, chosen.log, chosen)


def _opened(
    process: ProcessSettings,
    settings: StoreSettings,
    vault: KeyVault,
    signals: Signals,
    clock: Clock,
) -> "AbstractAsyncContextManager[SqliteStore | PostgresStore]":
    if not settings.shared:
        return open_sqlite_store(
            settings.database(process.home),
            vault,
            signals,
            clock,
            busy_timeout_s=settings.busy_timeout_s,
        )
    check_driver()
    from tertulia.adapters.sql.postgres import open_postgres_store

    return open_postgres_store(
        settings.url,
        vault,
        signals,
        clock,
        patience=_patience(settings),
        writers=settings.writers,
        readers=settings.readers,
    )


def open_shared_signals(
    settings: StoreSettings, within: Signals
) -> AbstractAsyncContextManager[Signals]:
    """Signals between the processes that share the database; `within` are those of this one."""
    at = place(settings)
    from tertulia.adapters.sql.postgres_signals import open_postgres_signals

    return open_postgres_signals(at, within)


def written(process: ProcessSettings, settings: StoreSettings) -> bool:
    """Whether the database is there and not empty."""
    if not settings.shared:
        path = settings.database(process.home)
        return path.exists() and path.stat().st_size > 0
    from tertulia.adapters.sql.postgres_open import revision

    with closing(place(settings).connect()) as raw:
        return revision(raw) is not None


def place(settings: StoreSettings) -> "Place":
    """Where a database of PostgreSQL is; StoreUnavailableError without its driver."""
    check_driver()
    from tertulia.adapters.sql.postgres_open import Place

    return Place(settings.url, _patience(settings))


def check_driver() -> None:
    """StoreUnavailableError when the driver for PostgreSQL is not installed."""
    if find_spec("psycopg") is None:
        msg = "PostgreSQL needs its driver; install tertulia[postgresql]."
        raise StoreUnavailableError(msg)


def _patience(settings: StoreSettings) -> "Patience":
    from tertulia.adapters.sql.postgres_open import Patience

    return Patience(
        connect_s=settings.connect_timeout_s,
        busy_s=settings.busy_timeout_s,
        answer_s=settings.answer_timeout_s,
    )
