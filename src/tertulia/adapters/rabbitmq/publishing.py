"""Handing over: confirmed by a quorum of the broker's nodes, or not at all."""

import asyncio
from collections.abc import Sequence
from typing import Final, cast

import structlog
from aio_pika.abc import AbstractChannel
from aiormq.channel import Channel as Wire
from aiormq.exceptions import DeliveryError, PublishError
from pamqp.commands import Basic
from pamqp.common import FieldTable

from tertulia.adapters.rabbitmq.link import Link, translated
from tertulia.adapters.rabbitmq.topology import PLAIN, Topology
from tertulia.kit.clock import to_us
from tertulia.ports.broker import Letter, Parcel

PERSISTENT: Final = 2
REASON: Final = "tertulia-reason"
ATTEMPTS: Final = "tertulia-attempts"
DIED_US: Final = "tertulia-died-us"

log = structlog.stdlib.get_logger(__name__)


class Publisher:
    """Publishes on one channel, as long as that lives. Queues are declared when a topic is first
    used, and again when a message comes back because its queue is gone."""

    def __init__(self, link: Link, topology: Topology, confirm_s: float) -> None:
        self._link = link
        self._topology = topology
        self._confirm_s = confirm_s
        self._channel: AbstractChannel | None = None
        self._opening = asyncio.Lock()
        self._declaring = asyncio.Lock()
        self.declared: set[str] = set()

    async def publish(self, parcels: Sequence[Parcel]) -> frozenset[str]:
        """See the port's `publish`."""
        with translated():
            async with asyncio.timeout(self._confirm_s):
                wire = await self._wire()
                for topic in dict.fromkeys(parcel.topic for parcel in parcels):
                    await self.declare(topic)
                # Each of these ends in a confirm, a return or a closed channel.
                confirmed = await asyncio.gather(*(self._one(wire, p) for p in parcels))
        return frozenset(p.id for p, ok in zip(parcels, confirmed, strict=True) if ok)

    async def bury(self, message_id: str, letter: Letter) -> None:
        """Put a letter among the dead. BusUnavailableError when that is not confirmed."""
        headers: FieldTable = {
            REASON: letter.reason,
            ATTEMPTS: letter.attempts,
            DIED_US: to_us(letter.died_at),
        }
        with translated():
            async with asyncio.timeout(self._confirm_s):
                wire = await self._wire()
                properties = _properties(message_id)
                properties.headers = headers
                await wire.basic_publish(
                    letter.data,
                    routing_key=self._topology.dead,
                    properties=properties,
                    mandatory=True,
                )

    async def declare(self, topic: str) -> None:
        """Make the topic's queues, and let it be known that there are."""
        async with self._declaring:
            if topic not in self.declared:
                await self._declare(topic)
                self.declared.add(topic)

    async def _declare(self, topic: str) -> None:
        async with self._link.brief_channel(confirms=True) as channel:
            await channel.declare_queue(self._topology.dead, durable=True, arguments=PLAIN)
            await channel.declare_queue(self._topology.topics, durable=True, arguments=PLAIN)
            for queue in self._topology.queues(topic):
                await channel.declare_queue(queue, durable=True, arguments=self._topology.arguments)
            wire = await channel.get_underlay_channel()
            await wire.basic_publish(
                topic.encode(),
                routing_key=self._topology.topics,
                properties=_properties(topic),
                mandatory=True,
            )

    async def _wire(self) -> Wire:
        """The driver's channel itself: it does not wait for the socket after each message."""
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                self._channel = await self._link.channel(confirms=True)
                self.declared.clear()
            return cast("Wire", await self._channel.get_underlay_channel())

    async def _one(self, wire: Wire, parcel: Parcel) -> bool:
        """Whether it is kept."""
        try:
            await self._sent(wire, parcel)
        except PublishError:
            log.warning("queue missing", topic=parcel.topic, message_id=parcel.id)
        except DeliveryError:
            return False
        else:
            return True
        self.declared.discard(parcel.topic)
        await self.declare(parcel.topic)
        try:
            await self._sent(wire, parcel)
        except DeliveryError:
            return False
        return True

    async def _sent(self, wire: Wire, parcel: Parcel) -> None:
        await wire.basic_publish(
            parcel.data,
            routing_key=self._topology.queue_of(parcel.topic, parcel.key),
            properties=_properties(parcel.id),
            mandatory=True,  # else a message to a missing queue is lost, and confirmed
            wait=False,
        )


def _properties(message_id: str) -> Basic.Properties:
    return Basic.Properties(
        delivery_mode=PERSISTENT, message_id=message_id, content_type="application/json"
    )
