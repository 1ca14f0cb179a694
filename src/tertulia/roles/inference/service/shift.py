"""A worker's time at its queue: from registering to handing back."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from tertulia.kit.tasks import uninterrupted
from tertulia.roles.inference.errors import WorkerInTroubleError
from tertulia.roles.inference.service.colleagues import Colleagues
from tertulia.roles.inference.service.desk import Desk
from tertulia.roles.inference.service.registration import Registration
from tertulia.roles.inference.service.trouble import Trouble

log = structlog.stdlib.get_logger(__name__)


class Shift:
    """A registered worker that reads its queue.

    Whenever it ends, what waits goes to others, if there are any: nobody should wait until this
    worker is back, or is missed. Routers are told first, so that no more comes.
    """

    def __init__(
        self,
        registration: Registration,
        desk: Desk,
        colleagues: Colleagues,
        trouble: Trouble,
        read: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self._registration = registration
        self._desk = desk
        self._colleagues = colleagues
        self._trouble = trouble
        self._read = read

    async def work(self) -> None:
        """Until cancelled. WorkerInTroubleError when this process cannot run its model while
        others are there who may."""
        async with self._registration.open():
            reading = asyncio.create_task(self._read())
            watching = asyncio.create_task(self._out_of_order())
            try:
                await asyncio.wait({reading, watching}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                watching.cancel()
                await uninterrupted(self._leave(reading))
        if not reading.cancelled():
            reading.result()
        raise WorkerInTroubleError

    async def _out_of_order(self) -> None:
        while True:
            await self._trouble.deep()
            if await self._colleagues.present():
                log.error("worker in trouble", code=WorkerInTroubleError.code)
                return
            log.warning("worker in trouble, and alone")
            self._trouble.over()

    async def _leave(self, reading: asyncio.Task[None]) -> None:
        if await self._colleagues.present():
            await self._registration.leave()
            await self._desk.leave()
        reading.cancel()
        await asyncio.wait({reading})
