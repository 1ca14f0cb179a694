"""Whether credentials still hold, asked for each event of each live answer."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from tertulia.kit.clock import Clock
from tertulia.kit.lru import Lru
from tertulia.ports.signals import Signals
from tertulia.ports.store import Store

REVOKED: Final = "credentials"
"""The channel that is signalled when one is revoked, whichever."""

BELIEVED_S: Final = 1.0
CREDENTIALS: Final = 10_000


class Standing:
    """What the store said of a credential is believed until one is revoked anywhere, and for
    `BELIEVED_S` at most: signals may be lost, and credentials run out."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._good_until: Lru[str, float] = Lru(CREDENTIALS)
        self._revocations = 0

    async def holds(self, credential_id: str) -> bool:
        """Whether it was there, and not past its time, a moment ago."""
        now = self._clock.monotonic()
        if now < (self._good_until.get(credential_id) or 0):
            return True
        revocations = self._revocations
        holds = await self._store.read(lambda tx: tx.credentials.holds(credential_id), brief=True)
        if holds and revocations == self._revocations:
            self._good_until.put(credential_id, now + BELIEVED_S)
        return holds

    async def forget_revoked(self, signals: Signals) -> None:
        """Hear of revocations, until cancelled."""
        async with signals.subscribe(REVOKED) as revoked:
            while True:
                await revoked.wait()
                self._revocations += 1
                self._good_until = Lru(CREDENTIALS)


@asynccontextmanager
async def open_standing(store: Store, signals: Signals, clock: Clock) -> AsyncGenerator[Standing]:
    """A standing that hears of revocations."""
    standing = Standing(store, clock)
    async with asyncio.TaskGroup() as tasks:
        hearing = tasks.create_task(standing.forget_revoked(signals))
        try:
            yield standing
        finally:
            hearing.cancel()
