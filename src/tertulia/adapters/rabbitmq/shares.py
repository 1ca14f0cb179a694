"""Which queues of a topic are ours: the living processes divide them evenly."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress

import structlog

from tertulia.kit.errors import TertuliaError
from tertulia.kit.ids import new_id
from tertulia.ports.leases import Leases

log = structlog.stdlib.get_logger(__name__)


class Division:
    """Our place among the consumers of a topic.

    It only says who had better consume what. That a queue has one consumer at a time is the
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

    def ours(self, queues: Sequence[str]) -> Sequence[str]:
        """Our part of them; all while nobody else is known."""
        members = self._members or (self._name,)
        if self._name not in members:
            return ()
        return queues[members.index(self._name) :: len(members)]

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
