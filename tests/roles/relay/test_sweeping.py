"""Which queues of a broker the relay removes."""

from datetime import timedelta

import pytest

from tertulia.domain.conversations import ASSISTANT
from tertulia.domain.events import TURNS, inference_topic, workers_group
from tertulia.roles.relay.service.sweeping import Sweeper
from tertulia.roles.relay.settings import RelaySettings
from tests.ports.stores import HandClock, turn_requested
from tests.roles.house import House
from tests.roles.relay.carrier import MemoryCarrier

SETTINGS = RelaySettings(gone_s=60)
HERE, GONE = (inference_topic(ASSISTANT.id, worker) for worker in ("here", "gone"))
GROUP = workers_group(ASSISTANT.id)


@pytest.fixture
async def carrier(house: House) -> MemoryCarrier:
    carrier = MemoryCarrier()
    carrier.places = {TURNS, HERE, GONE}
    await house.leases.claim(GROUP, "here", capacity=1, ttl_s=10_000)
    return carrier


@pytest.fixture
def sweeper(house: House, carrier: MemoryCarrier) -> Sweeper:
    return Sweeper(house.store, carrier, house.leases, house.clock, SETTINGS)


async def test_the_queue_of_a_worker_long_gone_is_removed(
    sweeper: Sweeper, carrier: MemoryCarrier, clock: HandClock
) -> None:
    assert await sweeper.sweep() == 0
    clock.pass_time(timedelta(seconds=59))
    assert await sweeper.sweep() == 0
    clock.pass_time(timedelta(seconds=1))
    assert await sweeper.sweep() == 1
    assert carrier.places == {TURNS, HERE}


async def test_a_worker_who_was_back_meanwhile_counts_anew(
    house: House, sweeper: Sweeper, carrier: MemoryCarrier, clock: HandClock
) -> None:
    await sweeper.sweep()
    clock.pass_time(timedelta(seconds=50))
    await house.leases.claim(GROUP, "gone", capacity=1, ttl_s=10)
    await sweeper.sweep()
    clock.pass_time(timedelta(seconds=11))
    assert await sweeper.sweep() == 0
    assert GONE in carrier.places


async def test_what_waits_to_be_carried_keeps_its_queue(
    house: House, sweeper: Sweeper, carrier: MemoryCarrier, clock: HandClock
) -> None:
    await house.store.write(lambda tx: tx.outbox.add(GONE, "k", turn_requested()))
    await sweeper.sweep()
    clock.pass_time(timedelta(seconds=61))
    assert await sweeper.sweep() == 0
    assert GONE in carrier.places


async def test_what_the_broker_does_not_remove_is_tried_again(
    sweeper: Sweeper, carrier: MemoryCarrier, clock: HandClock
) -> None:
    carrier.used = {GONE}
    await sweeper.sweep()
    clock.pass_time(timedelta(seconds=61))
    assert await sweeper.sweep() == 0
    carrier.used = set()
    assert await sweeper.sweep() == 1
