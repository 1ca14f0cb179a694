"""The queue of a worker who is gone, on a broker."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from tertulia.adapters.broker_bus.bus import BrokerBus, BrokerCarrier
from tertulia.adapters.broker_bus.envelope import sealed
from tertulia.adapters.broker_bus.settings import BusSettings
from tertulia.domain.conversations import ASSISTANT
from tertulia.domain.event_bodies import encoded
from tertulia.domain.events import (
    TURNS,
    ReplyRequested,
    TurnRequested,
    inference_topic,
    workers_group,
)
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.kit.ids import new_id
from tertulia.ports.broker import Broker, Parcel
from tertulia.ports.store import QueuedMessage
from tertulia.roles.relay.service.reclaiming import reclaim
from tertulia.roles.relay.settings import RelaySettings
from tests.roles.house import House

GONE = inference_topic(ASSISTANT.id, "gone-1.pods")


async def reclaimed_from(broker: Broker, house: House) -> int:
    """Strand three messages, let another worker come, and reclaim twice; how many were."""
    bus = BrokerBus(broker, house.store, house.clock, BusSettings())
    settings = RelaySettings(drain_pause_s=2)

    async def once() -> int:
        async with asyncio.timeout(60):
            return await reclaim(
                house.store, bus, BrokerCarrier(broker), house.leases, house.clock, settings
            )

    for number in (1, 2, 3):  # each of another key: one call to publish has none twice
        await broker.publish([_stranded(number)])
    assert await once() == 0, "nobody is there to take it over"
    await house.leases.claim(workers_group(ASSISTANT.id), "other", capacity=1, ttl_s=600)
    moved = await once()
    assert await once() == 0
    lease = timedelta(minutes=1)
    taken = await house.store.write(lambda tx: tx.queue.take([TURNS], limit=9, lease=lease))
    events = [message.event() for message in taken]
    assert all(isinstance(event, TurnRequested) for event in events)
    assert {event.epoch for event in events} == {1, 2, 3}
    return moved


async def left_to_its_worker(broker: Broker, house: House) -> None:
    """Drain the queue of a worker who comes back before anything in it is old enough."""
    drains = asyncio.Event()

    class Watched(BrokerBus):
        async def subscribe(self, *args: Any, **options: Any) -> None:
            drains.set()
            await super().subscribe(*args, **options)

    bus = Watched(broker, house.store, house.clock, BusSettings())
    settings = RelaySettings(drain_pause_s=3600, stranded_s=3600)
    group = workers_group(ASSISTANT.id)
    await broker.publish([_stranded(1)])
    await house.leases.claim(group, "other", capacity=1, ttl_s=600)
    draining = asyncio.create_task(
        reclaim(house.store, bus, BrokerCarrier(broker), house.leases, house.clock, settings)
    )
    async with asyncio.timeout(60):
        await drains.wait()
        await house.leases.claim(group, "gone-1.pods", capacity=1, ttl_s=600)
        assert await draining == 0


def _stranded(number: int) -> Parcel:
    event = ReplyRequested(
        conversation_id=ConversationId(f"c{number}"),
        message_id=MessageId(f"m{number}"),
        reply_id=MessageId(f"r{number}"),
        epoch=number,
    )
    return sealed(
        QueuedMessage(
            id=new_id(),
            topic=GONE,
            key=event.conversation_id,
            kind=event.kind,
            version=event.version,
            body=encoded(event),
            fence=1,
            attempts=1,
            created_at=datetime.now(UTC) - timedelta(minutes=1),
        )
    )
