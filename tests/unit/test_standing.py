"""How long it is believed that a credential holds."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from tertulia.adapters.memory.signals import MemorySignals
from tertulia.ports.standing import BELIEVED_S, REVOKED, Standing, open_standing
from tertulia.ports.store import Store, Tx
from tertulia.roles.gateway.service import create_token, revoke_token
from tests.ports.stores import HandClock
from tests.ports.troubled_store import TroubledStore
from tests.roles.house import House, open_house, within

T = TypeVar("T")


class CountingStore(TroubledStore):
    """`held` holds up every read that has been done, until it is set."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.reads = 0
        self.held: asyncio.Event | None = None

    async def read(self, work: Callable[[Tx], T], *, brief: bool = False) -> T:
        self.reads += 1
        found = await super().read(work, brief=brief)
        if self.held is not None:
            await self.held.wait()
        return found


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def house(tmp_path: Path, clock: HandClock) -> AsyncGenerator[House]:
    async with open_house(tmp_path, clock=clock) as opened:
        yield opened


@pytest.fixture
def store(house: House) -> CountingStore:
    return CountingStore(house.store)


async def token(house: House) -> tuple[str, Callable[[], asyncio.Future[None]]]:
    """Its id, and what revokes it."""
    owner = await house.store.write(lambda tx: tx.accounts.owner())
    made = (await create_token(house.store, owner.id, "test")).credential.id
    return made, lambda: asyncio.ensure_future(revoke_token(house.store, owner.id, made))


async def test_the_store_is_asked_once_for_many_events(
    house: House, store: CountingStore, clock: HandClock
) -> None:
    credential, _ = await token(house)
    async with open_standing(store, house.signals, clock) as standing:
        assert all([await standing.holds(credential) for _ in range(100)])
        assert store.reads == 1
        clock.pass_time(timedelta(seconds=BELIEVED_S))
        assert await standing.holds(credential)
        assert store.reads == 2


async def test_a_revocation_is_known_at_once(
    house: House, store: CountingStore, clock: HandClock
) -> None:
    credential, revoke = await token(house)
    async with (
        open_standing(store, house.signals, clock) as standing,
        house.signals.subscribe(REVOKED) as told,
    ):
        assert await standing.holds(credential)
        await revoke()
        await within(told.wait())
        assert not await standing.holds(credential)
        assert not await standing.holds(credential)


async def test_a_revocation_that_nobody_told_of_is_known_within_a_second(
    house: House, store: CountingStore, clock: HandClock
) -> None:
    credential, revoke = await token(house)
    async with open_standing(store, MemorySignals(), clock) as standing:
        assert await standing.holds(credential)
        await revoke()
        clock.pass_time(timedelta(seconds=BELIEVED_S))
        assert not await standing.holds(credential)


async def test_what_was_read_before_a_revocation_is_not_believed_after_it(
    house: House, store: CountingStore, clock: HandClock
) -> None:
    credential, revoke = await token(house)
    async with (
        open_standing(store, house.signals, clock) as standing,
        house.signals.subscribe(REVOKED) as told,
    ):
        store.held = asyncio.Event()
        asking = asyncio.ensure_future(standing.holds(credential))
        await asyncio.sleep(0)  # it has read, and waits
        assert store.reads == 1
        await revoke()
        await within(told.wait())
        store.held.set()
        await within(asking)
        assert not await standing.holds(credential)


async def test_what_does_not_hold_is_asked_again(store: CountingStore, clock: HandClock) -> None:
    standing = Standing(store, clock)
    assert not await standing.holds("nobody")
    assert not await standing.holds("nobody")
    assert store.reads == 2
