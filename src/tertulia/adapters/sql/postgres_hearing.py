"""Which channels of the database a process listens to: those that somebody here waits for."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import blake2b
from typing import Final

import psycopg

CHANNEL: Final = "tertulia"
"""For what concerns everybody."""
SHARDS: Final = 1024
"""PostgreSQL walks the list of what a connection listens to for every message, so signals share
channels; a process with a hundred readers still hears a tenth of what concerns others."""
LOOK_S: Final = 10.0
"""How often the connection that listens is asked whether it is still there."""
ANSWER_S: Final = 5.0

Connection = psycopg.AsyncConnection[tuple[object, ...]]


def shard(signal: str) -> str:
    """The channel that a signal goes over."""
    digest = blake2b(signal.encode(), digest_size=8).digest()
    return f"{CHANNEL}_{int.from_bytes(digest, 'big') % SHARDS}"


class Hearing:
    """Listens to the channels that are wanted here and to no others, so that a message costs only
    the processes that want it."""

    def __init__(self) -> None:
        self._wanted = Counter[str]()
        self._heard: frozenset[str] = frozenset()
        self._connected = False
        self._change = asyncio.Event()
        self._settled = asyncio.Event()

    async def want(self, channels: Iterable[str]) -> None:
        """Returns when all that is said from now on is heard, or while nothing can be."""
        names = set(channels)
        self._wanted.update(names)
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                while self._connected and not self._heard.issuperset(names):
                    self._change.set()
                    await self._settled.wait()

    def leave(self, channels: Iterable[str]) -> None:
        """Once for each `want`."""
        for name in set(channels):
            self._wanted[name] -= 1
            if not self._wanted[name]:
                del self._wanted[name]
                self._change.set()

    async def serve(
        self, connection: Connection, begin: Callable[[], None], hear: Callable[[str], None]
    ) -> None:
        """Until the connection breaks. `begin` is called once everything wanted is heard, `hear`
        with each message."""
        try:
            await self._settle(connection)
            self._connected = True
            begin()
            while True:
                await self._listen(connection, hear)
                await self._settle(connection)
        finally:
            self._connected, self._heard = False, frozenset()
            self._tell()

    async def _listen(self, connection: Connection, hear: Callable[[str], None]) -> None:
        """Until something else is wanted, or nothing has been said for a while."""

        async def listening() -> None:
            async for told in connection.notifies(timeout=LOOK_S):
                hear(told.payload)

        tasks = {asyncio.create_task(listening()), asyncio.create_task(self._changed())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in done:
            await task

    async def _changed(self) -> None:
        await self._change.wait()

    async def _settle(self, connection: Connection) -> None:
        """What comes meanwhile is kept by the driver and heard next."""
        self._change.clear()
        wanted = frozenset(self._wanted) | {CHANNEL}
        orders = [f"LISTEN {name}" for name in sorted(wanted - self._heard)]
        orders += [f"UNLISTEN {name}" for name in sorted(self._heard - wanted)]
        async with asyncio.timeout(ANSWER_S):
            await connection.execute("; ".join(orders or ["SELECT 1"]).encode())
        self._heard = wanted
        self._tell()

    def _tell(self) -> None:
        settled, self._settled = self._settled, asyncio.Event()
        settled.set()
