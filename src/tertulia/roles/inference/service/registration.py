"""A worker's place in the group of its character."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from tertulia.ports.leases import Leases, LeasesUnavailableError
from tertulia.roles.inference.settings import InferenceSettings

TELL_LOAD_S: Final = 1.0  # a reply takes some seconds, so a router knows most of what there is
AGAIN_S: Final = 1.0  # after leases could not be reached, or the name was taken

log = structlog.stdlib.get_logger(__name__)


class Registration:
    """Holds a place for as long as it is open; a place that was lost is claimed again. What the
    worker has in hand goes on meanwhile, and `load` tells routers how much that is."""

    def __init__(
        self,
        leases: Leases,
        group: str,
        settings: InferenceSettings,
        slots: int,
        load: Callable[[], int],
    ) -> None:
        self._leases = leases
        self._group = group
        self._settings = settings
        self._slots = slots
        self._load = load
        self._fence = 0
        self._renewal: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None, None]:
        """Entered once the place is held: while another process of this name lives, not yet."""
        await self._claim()
        try:
            async with asyncio.TaskGroup() as group:
                self._renewal = group.create_task(self._renew_for_ever())
                try:
                    yield
                finally:
                    self._renewal.cancel()
        finally:
            await self.leave()

    async def leave(self) -> None:
        """Give the place up, if it is held."""
        if self._renewal is not None:
            self._renewal.cancel()
        with suppress(LeasesUnavailableError):  # it runs out by itself
            await self._leases.release(self._group, self._settings.worker, self._fence)

    async def _claim(self) -> None:
        settings = self._settings
        while True:
            try:
                fence = await self._leases.claim(
                    self._group, settings.worker, capacity=self._slots, ttl_s=settings.lease_s
                )
            except LeasesUnavailableError:
                log.warning("worker cannot register", group=self._group, worker=settings.worker)
                await asyncio.sleep(min(AGAIN_S, settings.lease_s / 3))
                continue
            if fence is not None:
                self._fence = fence
                log.info("worker registered", group=self._group, worker=settings.worker)
                return
            log.warning("worker name taken", group=self._group, worker=settings.worker)
            await asyncio.sleep(min(AGAIN_S, settings.lease_s / 3))

    async def _renew_for_ever(self) -> None:
        settings = self._settings
        while True:
            await asyncio.sleep(min(settings.lease_s / 3, TELL_LOAD_S))
            try:
                held = await self._leases.renew(
                    self._group,
                    settings.worker,
                    self._fence,
                    ttl_s=settings.lease_s,
                    load=self._load(),
                )
            except LeasesUnavailableError:
                log.warning("worker cannot renew", group=self._group, worker=settings.worker)
                continue
            if not held:
                log.warning("worker place lost", group=self._group, worker=settings.worker)
                await self._claim()
