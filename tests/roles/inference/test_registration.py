"""A worker's place among the workers of its character."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from tertulia.adapters.memory.leases import MemoryLeases
from tertulia.domain.conversations import ASSISTANT
from tertulia.domain.events import workers_group
from tertulia.ports.leases import LeasesUnavailableError, Member
from tertulia.roles.inference.service.registration import Registration
from tertulia.roles.inference.settings import InferenceSettings
from tests.ports.stores import HandClock
from tests.roles.house import open_house

GROUP = workers_group(ASSISTANT.id)
SETTINGS = InferenceSettings(worker="w", lease_s=0.01)


class Watched(MemoryLeases):
    """Lets a test wait for calls."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__(clock)
        self.claims: asyncio.Queue[int | None] = asyncio.Queue()
        self.renewals: asyncio.Queue[bool] = asyncio.Queue()

    async def claim(self, group: str, name: str, *, capacity: int, ttl_s: float) -> int | None:
        fence = await super().claim(group, name, capacity=capacity, ttl_s=ttl_s)
        self.claims.put_nowait(fence)
        return fence

    async def renew(
        self, group: str, name: str, fence: int, *, ttl_s: float, load: int = 0
    ) -> bool:
        held = await super().renew(group, name, fence, ttl_s=ttl_s, load=load)
        self.renewals.put_nowait(held)
        return held


async def test_a_worker_holds_its_place_while_it_works(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        async with house.running("inference"):
            reply = await house.ask("hello")
            async with house.running("preprocess"):
                await house.until(reply)
            [member] = await house.leases.members(GROUP)
            assert (member.name, member.capacity) == ("local", 128)
        assert await house.leases.members(GROUP) == []


async def test_a_place_is_renewed() -> None:
    clock = HandClock()
    leases = Watched(clock)
    async with asyncio.timeout(20), Registration(leases, GROUP, SETTINGS, 3, lambda: 7).open():
        for _ in range(3):
            clock.pass_time(timedelta(seconds=SETTINGS.lease_s * 0.9))
            assert await leases.renewals.get()
        assert await leases.members(GROUP) == [Member(name="w", capacity=3, fence=1, load=7)]


async def test_a_place_that_was_lost_is_claimed_again() -> None:
    clock = HandClock()
    leases = Watched(clock)
    async with asyncio.timeout(20), Registration(leases, GROUP, SETTINGS, 3, lambda: 7).open():
        assert await leases.claims.get() == 1
        clock.pass_time(timedelta(seconds=1))
        assert await leases.claims.get() == 2
        assert not leases.renewals.get_nowait()
    assert await leases.members(GROUP) == []


async def test_a_place_that_was_given_up_is_not_claimed_again() -> None:
    leases = Watched(HandClock())
    registration = Registration(leases, GROUP, SETTINGS, 3, lambda: 7)
    async with asyncio.timeout(20), registration.open():
        assert await leases.claims.get() == 1
        assert await leases.renewals.get()
        await registration.leave()
        assert await leases.members(GROUP) == []
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(20 * SETTINGS.lease_s):
                await leases.claims.get()


async def test_a_name_that_is_taken_is_waited_for() -> None:
    clock = HandClock()
    leases = Watched(clock)
    await leases.claim(GROUP, "w", capacity=9, ttl_s=60)
    assert await leases.claims.get() == 1
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        registration = Registration(leases, GROUP, SETTINGS, 3, lambda: 7)

        async def work() -> None:
            async with registration.open():
                pass

        working = group.create_task(work())
        assert await leases.claims.get() is None
        assert not working.done()
        clock.pass_time(timedelta(seconds=61))
        while await leases.claims.get() is None:
            pass
        await working


class Away(Watched):
    """Cannot be reached for a number of calls."""

    def __init__(self, clock: HandClock, *, claims: int, renewals: int) -> None:
        super().__init__(clock)
        self.failing = {"claim": claims, "renew": renewals}

    async def claim(self, group: str, name: str, *, capacity: int, ttl_s: float) -> int | None:
        self._fail("claim")
        return await super().claim(group, name, capacity=capacity, ttl_s=ttl_s)

    async def renew(
        self, group: str, name: str, fence: int, *, ttl_s: float, load: int = 0
    ) -> bool:
        self._fail("renew")
        return await super().renew(group, name, fence, ttl_s=ttl_s, load=load)

    async def release(self, group: str, name: str, fence: int) -> None:
        await super().release(group, name, fence)
        raise LeasesUnavailableError

    def _fail(self, call: str) -> None:
        self.failing[call] -= 1
        if self.failing[call] >= 0:
            raise LeasesUnavailableError


async def test_a_worker_goes_on_while_leases_cannot_be_reached() -> None:
    leases = Away(HandClock(), claims=2, renewals=2)
    async with asyncio.timeout(20), Registration(leases, GROUP, SETTINGS, 3, lambda: 7).open():
        assert await leases.claims.get() == 1
        assert await leases.renewals.get()
    assert max(leases.failing.values()) < 0
