"""The places of a worker, and what becomes of work that finds none."""

import asyncio
from contextlib import suppress
from typing import Final

from tertulia.domain.events import ReplyRequested
from tertulia.kit.tasks import uninterrupted
from tertulia.ports.bus import Delivery, Handler
from tertulia.ports.store import StorageFullError, StoreUnavailableError
from tertulia.roles.inference.service.colleagues import TOLD_S, Colleagues

WAITING_ROOM: Final = 16  # read ahead of the places: what stays in the queue cannot be handed over
QUIET_S: Final = 0.3  # a bus that has more gives it within milliseconds
HAND_BACK_S: Final = 3.0  # of the 25 s that a process has to end


class Desk:
    """Lets as many requests through to `handle` as the worker has places.

    The others wait at the desk. As soon as another worker of the character has told that it has
    room, they go to its queue with a new epoch: should this worker be given the old request once
    more, the reply is no longer its. While nobody has room they wait for a place here.
    """

    def __init__(
        self, handle: Handler, colleagues: Colleagues, places: int, *, look_s: float = TOLD_S
    ) -> None:
        self._handle = handle
        self._colleagues = colleagues
        self._places = asyncio.Semaphore(places)
        self._look_s = look_s
        self._looks: set[asyncio.Timeout] = set()
        self._came = asyncio.Event()
        self._leaving = False
        self.concurrency = places + WAITING_ROOM
        """How many deliveries to read at once."""
        self.in_hand = 0
        """Requests that have a place or wait for one."""

    async def on_reply_requested(self, delivery: Delivery) -> None:
        """Handle it here, or have another worker handle it."""
        self._came.set()
        self.in_hand += 1
        try:
            if await self._seated(delivery):
                try:
                    await self._handle(delivery)
                finally:
                    self._places.release()
        except asyncio.CancelledError:
            # Once it is with somebody else, nothing has to be given back.
            if not self._leaving or not await uninterrupted(self._left(delivery)):
                raise
        finally:
            self.in_hand -= 1

    async def leave(self) -> None:
        """From now on whatever waits or comes goes to others, room or not. Returns when nothing
        has come for a moment. What has been begun goes on, and what has not when it is cancelled
        goes to others too."""
        self._leaving = True
        for look in self._looks:
            look.reschedule(0)
        with suppress(TimeoutError):
            async with asyncio.timeout(HAND_BACK_S):
                while True:
                    self._came.clear()
                    async with asyncio.timeout(QUIET_S):
                        await self._came.wait()

    async def _seated(self, delivery: Delivery) -> bool:
        """True with a place; False when another worker has the request now."""
        while not self._leaving:
            if self._places.locked() and await self._taken(delivery, room=True):
                return False
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_s) as look:
                    self._looks.add(look)
                    try:
                        return await self._places.acquire()
                    finally:
                        self._looks.discard(look)
        if not await self._left(delivery):
            await asyncio.Event().wait()  # until it is given back
        return False

    async def _left(self, delivery: Delivery) -> bool:
        try:
            return await self._taken(delivery, room=False)
        except (StoreUnavailableError, StorageFullError):
            return False

    async def _taken(self, delivery: Delivery, *, room: bool) -> bool:
        event = delivery.event
        return isinstance(event, ReplyRequested) and await self._colleagues.take(event, room=room)
