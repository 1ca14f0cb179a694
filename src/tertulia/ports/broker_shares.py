"""Which shares of a topic are ours: the living processes divide them evenly.

For brokers that keep a share in one process at a time, but leave it to us in which.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import structlog

from tertulia.kit.errors import TertuliaError
from tertulia.kit.ids import new_id
from tertulia.kit.metrics import BUS_BROKER_LOST
from tertulia.kit.tasks import uninterrupted
from tertulia.ports.bus import BusUnavailableError
from tertulia.ports.leases import Leases

AGAIN_S: Final = 0.2
AGAIN_MAX_S: Final = 2.0

log = structlog.stdlib.get_logger(__name__)

Consume = Callable[[str], Coroutine[Any, Any, None]]
"""Consumes a share until it is lost, if it is to be had; raises BusUnavailableError."""


class Division:
    """Our place among the consumers of a topic.

    It only says who had better consume what. That a share has one consumer at a time is the
    broker's doing, so a division that is out of date, or leases that other processes cannot see,
    cost balance, not order.
    """

    def __init__(self, leases: Leases, topic: str, ttl_s: float) -> None:
        self._leases = leases
        self._group = f"bus:{topic}"
        self._ttl_s = ttl_s
        self._name = new_id()
        self._fence: int | None = None
        self._members: Sequence[str] = ()

    @asynccontextmanager
    async def joined(self) -> AsyncGenerator[None]:
        """Take part; leaving tells the others."""
        await self.look()
        try:
            yield
        finally:
            if self._fence is not None:
                with suppress(TertuliaError):  # then our place runs out
                    await self._leases.release(self._group, self._name, self._fence)

    def ours(self, shares: Sequence[str]) -> Sequence[str]:
        """Our part of them; all while nobody else is known."""
        members = self._members or (self._name,)
        if self._name not in members:
            return ()
        return shares[members.index(self._name) :: len(members)]

    async def look(self) -> None:
        """Say that we live, and see who else does."""
        try:
            if self._fence is None or not await self._leases.renew(
                self._group, self._name, self._fence, ttl_s=self._ttl_s
            ):
                self._fence = await self._leases.claim(
                    self._group, self._name, capacity=1, ttl_s=self._ttl_s
                )
            self._members = sorted(m.name for m in await self._leases.members(self._group))
        except TertuliaError as error:
            log.warning("division not known", group=self._group, error=error.code)

    async def pause(self) -> None:
        """Until it is time to look again."""
        await asyncio.sleep(self._ttl_s / 3)


async def consume_shares(
    topic: str, shares: Sequence[str], division: Division | None, consume: Consume
) -> None:
    """Consume those that are ours, over any number of connections, until cancelled. Without a
    division: all, whoever else there is."""
    async with asyncio.TaskGroup() as group:
        if division is None:
            for share in shares:
                group.create_task(_for_ever(topic, share, consume))
        else:
            group.create_task(_follow(topic, shares, division, consume, group))


async def _follow(
    topic: str,
    shares: Sequence[str],
    division: Division,
    consume: Consume,
    group: asyncio.TaskGroup,
) -> None:
    running: dict[str, asyncio.Task[None]] = {}
    async with division.joined():
        try:
            while True:
                ours = division.ours(shares)
                for share in set(running) - set(ours):
                    running[share].cancel()
                running = {s: task for s, task in running.items() if not task.done()}
                for share in set(ours) - set(running):
                    running[share] = group.create_task(_for_ever(topic, share, consume))
                await division.pause()
                await division.look()
        finally:
            # Our place is free once our shares are.
            for task in running.values():
                task.cancel()
            if running:
                await uninterrupted(_ended(running.values()))


async def _for_ever(topic: str, share: str, consume: Consume) -> None:
    pause_s = AGAIN_S
    while True:
        began = asyncio.get_running_loop().time()
        try:
            await consume(share)
        except BusUnavailableError as error:
            BUS_BROKER_LOST.labels(topic).inc()
            log.warning("share lost", share=share, error=error.message)
        if asyncio.get_running_loop().time() - began > AGAIN_MAX_S:
            pause_s = AGAIN_S
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, AGAIN_MAX_S)


async def _ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    await asyncio.wait(list(tasks))
