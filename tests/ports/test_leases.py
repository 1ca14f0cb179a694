"""What every adapter of Leases keeps."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import cast

import pytest

from tertulia.adapters.memory.leases import MemoryLeases
from tertulia.ports.leases import Leases, Member
from tests.ports.on_redis import AgeingClock, InTurn, processes, server
from tests.ports.stores import HandClock

Opened = tuple[Leases, HandClock]


@asynccontextmanager
async def memory(_: pytest.FixtureRequest) -> AsyncGenerator[Opened]:
    clock = HandClock()
    yield MemoryLeases(clock), clock


@asynccontextmanager
async def redis(request: pytest.FixtureRequest) -> AsyncGenerator[Opened]:
    clock = AgeingClock(server(request))
    async with processes(server(request), 2, clock) as opened:
        yield cast("Leases", InTurn([process.leases() for process in opened])), clock


ADAPTERS = [memory, redis]


@pytest.fixture(params=ADAPTERS, ids=lambda opener: opener.__name__)
async def opened(request: pytest.FixtureRequest) -> AsyncGenerator[Opened]:
    async with request.param(request) as both:
        yield both


@pytest.fixture
def leases(opened: Opened) -> Leases:
    return opened[0]


@pytest.fixture
def clock(opened: Opened) -> HandClock:
    return opened[1]


async def names(leases: Leases, group: str = "g") -> list[str]:
    return [member.name for member in await leases.members(group)]


async def test_a_place_has_one_holder(leases: Leases) -> None:
    assert await leases.claim("g", "a", capacity=2, ttl_s=10) is not None
    assert await leases.claim("g", "a", capacity=2, ttl_s=10) is None
    [member] = await leases.members("g")
    assert (member.name, member.capacity) == ("a", 2)


async def test_a_place_runs_out_unless_renewed(leases: Leases, clock: HandClock) -> None:
    fence = await leases.claim("g", "a", capacity=1, ttl_s=10)
    assert fence is not None
    clock.pass_time(timedelta(seconds=9))
    assert await leases.renew("g", "a", fence, ttl_s=10)
    clock.pass_time(timedelta(seconds=9))
    assert await names(leases) == ["a"]
    clock.pass_time(timedelta(seconds=1))
    assert await names(leases) == []
    assert not await leases.renew("g", "a", fence, ttl_s=10)


async def test_a_holder_tells_its_load_when_it_renews(leases: Leases) -> None:
    fence = await leases.claim("g", "a", capacity=4, ttl_s=10)
    assert fence is not None
    for load in (0, 3, 12, 1):
        if load:
            assert await leases.renew("g", "a", fence, ttl_s=10, load=load)
        assert await leases.members("g") == [Member(name="a", capacity=4, fence=fence, load=load)]
    assert await leases.claim("g", "a", capacity=4, ttl_s=10) is None


async def test_setting_the_wall_clock_ends_no_lease(leases: Leases, clock: HandClock) -> None:
    await leases.claim("g", "a", capacity=1, ttl_s=10)
    clock.set_wall(timedelta(hours=1))
    assert await names(leases) == ["a"]


async def test_a_former_holder_can_neither_renew_nor_release(
    leases: Leases, clock: HandClock
) -> None:
    old = await leases.claim("g", "a", capacity=1, ttl_s=1)
    assert old is not None
    clock.pass_time(timedelta(seconds=2))
    new = await leases.claim("g", "a", capacity=1, ttl_s=10)
    assert new is not None
    assert new > old
    assert not await leases.renew("g", "a", old, ttl_s=10)
    await leases.release("g", "a", old)
    assert await names(leases) == ["a"]


async def test_a_released_place_is_free(leases: Leases) -> None:
    fence = await leases.claim("g", "a", capacity=1, ttl_s=10)
    assert fence is not None
    await leases.release("g", "a", fence)
    assert await names(leases) == []
    assert await leases.claim("g", "a", capacity=1, ttl_s=10) is not None


async def test_groups_are_apart_and_members_come_by_name(leases: Leases) -> None:
    for group, name in (("g", "b"), ("g", "a"), ("h", "c")):
        await leases.claim(group, name, capacity=1, ttl_s=10)
    assert await names(leases) == ["a", "b"]
    assert await names(leases, "h") == ["c"]
