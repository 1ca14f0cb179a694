"""A carrier in memory."""

import asyncio
from collections.abc import Callable, Sequence

from tertulia.ports.bus import BusUnavailableError
from tertulia.ports.store import QueuedMessage


class MemoryCarrier:
    """A broker that keeps what it gets, unless a test says otherwise."""

    carries = True

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.kept: list[str] = []
        self.places: set[str] = set()
        self.used: set[str] = set()
        self.away = False
        self.refused: set[str] = set()
        self._more = asyncio.Event()

    async def carry(self, messages: Sequence[QueuedMessage]) -> frozenset[str]:
        self.calls.append([message.id for message in messages])
        self._more.set()
        await self.check()
        kept = [m.id for m in messages if m.id not in self.refused]
        self.kept += kept
        return frozenset(kept)

    async def topics(self) -> Sequence[str]:
        await self.check()
        return sorted(self.places)

    async def remove(self, topic: str) -> bool:
        await self.check()
        if topic in self.used:
            return False
        self.places.discard(topic)
        return True

    async def check(self) -> None:
        if self.away:
            raise BusUnavailableError

    async def until(self, found: Callable[[], bool]) -> None:
        """Returns when it holds after a call."""
        while not found():
            self._more.clear()
            await self._more.wait()
