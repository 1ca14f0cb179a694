"""Where older texts lie: `messages.url` chooses the history log, or the store itself."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

from tertulia.adapters.cassandra.settings import MessagesSettings
from tertulia.assembly.buses import DriverMissingError
from tertulia.kit.clock import Clock
from tertulia.ports.history import ChosenHistory, HistoryLog, Mover
from tertulia.ports.store import Store


@asynccontextmanager
async def chosen_history(settings: MessagesSettings, clock: Clock) -> AsyncGenerator[ChosenHistory]:
    """DriverMissingError when the driver for `messages.url` is not installed."""
    if not settings.url.get_secret_value():
        yield ChosenHistory()
        return
    try:
        opened = _opened(settings, clock)
    except ImportError as error:
        msg = f"cassandra:// needs {error.name}: install tertulia[cassandra]."
        raise DriverMissingError(msg) from error
    from tertulia.adapters.cassandra.measured import MeasuredHistory

    async with opened as log:
        yield ChosenHistory(
            log=MeasuredHistory(log),
            move_after=timedelta(seconds=settings.move_after_s),
            erase_after=timedelta(seconds=settings.erase_after_s),
        )


def _opened(settings: MessagesSettings, clock: Clock) -> AbstractAsyncContextManager[HistoryLog]:
    from tertulia.adapters.cassandra.history import open_cassandra

    return open_cassandra(settings, clock)


@asynccontextmanager
async def mover(store: Store) -> AsyncGenerator[Mover]:
    """The store's third face, where it has a log beside it."""
    from tertulia.adapters.sql.moving import MovingStore, NothingToMove

    yield store if isinstance(store, MovingStore) else NothingToMove()
