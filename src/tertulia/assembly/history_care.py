"""Care of the history log: what `tertulia messages` does."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tertulia.assembly.process import wired
from tertulia.kit.errors import Kind, TertuliaError
from tertulia.kit.settings import SettingsInForce
from tertulia.ports.history import ChosenHistory, Comparison, HistoryLog
from tertulia.ports.store import Store

if TYPE_CHECKING:
    from tertulia.adapters.sql.moving import MovingStore


class NoHistoryError(TertuliaError):
    """There is no history log: messages.url names none."""

    code = "history_absent"
    kind = Kind.INVALID


async def move_all(settings: SettingsInForce, *, on_progress: Callable[[int], None]) -> int:
    """Move every text to the log, also those from before there was one; how many."""
    from tertulia.adapters.sql.history_care import enlist
    from tertulia.roles.relay.service.moving import move_due
    from tertulia.roles.relay.settings import RelaySettings

    async with _beside(settings) as (store, _):
        await enlist(store, on_progress)
        return await move_due(store, settings.of(RelaySettings))


async def compare(settings: SettingsInForce, *, on_progress: Callable[[int], None]) -> Comparison:
    """What the log has of what was moved."""
    from tertulia.adapters.sql.history_care import compare as look

    async with _beside(settings) as (store, log):
        return await look(store, log, on_progress)


async def mend(
    settings: SettingsInForce, file: Path, *, on_progress: Callable[[int], None]
) -> Comparison:
    """Put into the log what it misses and the backup `file` has."""
    from tertulia.adapters.sql.history_care import mend as put_back

    async with _beside(settings) as (store, log):
        return await put_back(store, log, file, on_progress)


@asynccontextmanager
async def _beside(
    settings: SettingsInForce,
) -> AsyncGenerator[tuple["MovingStore", HistoryLog]]:
    async with wired(settings) as wiring:
        chosen = await wiring.port(ChosenHistory)
        if chosen.log is None:
            raise NoHistoryError
        yield cast("MovingStore", await wiring.port(Store)), chosen.log
