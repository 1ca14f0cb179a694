"""A store that gets into trouble when a test says so."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from tertulia.ports.store import Store, Tx

T = TypeVar("T")


class TroubledStore:
    """`trouble` is raised by every write while it is set, and nothing is changed. After `hold`,
    writes wait before they begin, until they are admitted. `asked` counts writes, also those that
    fail."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.trouble: Exception | None = None
        self.asked = 0
        self._admitted: int | None = None  # None: all of them
        self._changed = asyncio.Condition()

    async def write(self, work: Callable[[Tx], T]) -> T:
        async with self._changed:
            self.asked += 1
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self._admitted != 0)
            if self._admitted is not None:
                self._admitted -= 1
        if self.trouble is not None:
            raise self.trouble
        return await self._store.write(work)

    async def read(self, work: Callable[[Tx], T], *, brief: bool = False) -> T:
        return await self._store.read(work, brief=brief)

    async def hold(self) -> None:
        """Let no write begin."""
        async with self._changed:
            self._admitted = 0

    async def admit(self, count: int | None = None) -> None:
        """Let so many writes go on, or all from now on."""
        async with self._changed:
            self._admitted = count
            self._changed.notify_all()

    async def writes(self, count: int) -> None:
        """Returns once `count` more writes have been asked for."""
        async with self._changed:
            wanted = self.asked + count
            await self._changed.wait_for(lambda: self.asked >= wanted)
