"""A store that gets into trouble when a test says so."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from tertulia.ports.store import Store, Tx

T = TypeVar("T")


class TroubledStore:
    """`trouble` is raised by every write while it is set, and nothing is changed. While `open` is
    cleared, writes wait before they begin. `asked` counts writes, also those that fail."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.trouble: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.asked = 0
        self._more = asyncio.Event()

    async def write(self, work: Callable[[Tx], T]) -> T:
        self.asked += 1
        self._more.set()
        await self.open.wait()
        if self.trouble is not None:
            raise self.trouble
        return await self._store.write(work)

    async def read(self, work: Callable[[Tx], T], *, brief: bool = False) -> T:
        return await self._store.read(work, brief=brief)

    async def writes(self, count: int) -> None:
        """Returns once `count` more writes have been asked for."""
        wanted = self.asked + count
        while self.asked < wanted:
            self._more.clear()
            await self._more.wait()
