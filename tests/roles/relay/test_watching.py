"""When a pass is due."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import timedelta

import pytest

from tertulia.adapters.memory.leases import MemoryLeases
from tertulia.domain.conversations import ASSISTANT
from tertulia.domain.events import workers_group
from tertulia.ports.leases import LeasesUnavailableError, Member
from tertulia.roles.relay.service.watching import TRAIL_S, Watch
from tertulia.roles.relay.settings import RelaySettings
from tests.ports.stores import HandClock

SETTINGS = RelaySettings(every_s=600, look_s=0.001)
GROUP = workers_group(ASSISTANT.id)


class Watched(MemoryLeases):
    """Leases that tell how often somebody looked, and that can be away."""

    looks = 0
    away = False

    async def members(self, group: str) -> Sequence[Member]:
        self.looks += 1
        if self.away:
            raise LeasesUnavailableError
        return await super().members(group)

    async def looked(self, times: int = 3) -> None:
        """Returns when there were so many more."""
        until = self.looks + times
        while self.looks < until:  # noqa: ASYNC110  the watch sleeps too
            await asyncio.sleep(0.001)


@pytest.fixture
def leases(clock: HandClock) -> Watched:
    return Watched(clock)


@pytest.fixture
async def pausing(leases: Watched, clock: HandClock) -> asyncio.Task[None]:
    """Of a watch that has seen two workers, `one` and `other`, for a while."""
    watch = Watch(leases, [ASSISTANT.id], clock, SETTINGS)
    await at_once(watch.pause())  # somebody may have gone before
    for name in ("one", "other"):
        await leases.claim(GROUP, name, capacity=1, ttl_s=10**6)
    pass_window(clock)
    task = asyncio.create_task(watch.pause())
    await leases.looked()
    assert not task.done()
    return task


def pass_window(clock: HandClock) -> None:
    clock.pass_time(timedelta(seconds=SETTINGS.stranded_s + TRAIL_S + 1))


async def at_once(pause: Awaitable[None]) -> None:
    async with asyncio.timeout(20):
        await pause


async def test_pass_is_due_as_soon_as_a_worker_has_gone(
    leases: Watched, pausing: asyncio.Task[None]
) -> None:
    members = await leases.members(GROUP)
    await leases.release(GROUP, "one", next(m.fence for m in members if m.name == "one"))
    await at_once(pausing)


async def test_pass_is_due_soon_in_a_hurry(leases: Watched, clock: HandClock) -> None:
    watch = Watch(leases, [ASSISTANT.id], clock, SETTINGS)
    pass_window(clock)
    await at_once(watch.pause(hurry=True))


async def test_worker_who_comes_is_no_reason(
    leases: Watched, pausing: asyncio.Task[None], clock: HandClock
) -> None:
    await leases.claim(GROUP, "third", capacity=1, ttl_s=10**6)
    await leases.looked()
    assert not pausing.done()
    clock.pass_time(timedelta(seconds=SETTINGS.every_s))
    await at_once(pausing)


async def test_nobody_is_missed_while_that_cannot_be_told(
    leases: Watched, pausing: asyncio.Task[None]
) -> None:
    leases.away = True
    await leases.looked()
    leases.away = False
    await leases.looked()
    assert not pausing.done()
    pausing.cancel()
