"""A worker whose process cannot run its model."""

import asyncio


class Trouble:
    """Counts replies that failed for a reason of this process, in a row."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._met = 0
        self._deep = asyncio.Event()

    def met(self) -> None:
        """One more."""
        self._met += 1
        if self._met >= self._most:
            self._deep.set()

    def over(self) -> None:
        """A reply was written."""
        self._met = 0
        self._deep.clear()

    async def deep(self) -> None:
        """Returns when there were too many."""
        await self._deep.wait()
