"""The Broker port on RabbitMQ."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from tertulia.adapters.rabbitmq.consuming import Consumption
from tertulia.adapters.rabbitmq.letters import Shelf
from tertulia.adapters.rabbitmq.link import Link
from tertulia.adapters.rabbitmq.publishing import Publisher
from tertulia.adapters.rabbitmq.settings import RabbitmqSettings
from tertulia.adapters.rabbitmq.topology import Topology
from tertulia.domain.events import inference_worker
from tertulia.ports.broker import Broker, Hands, Letter, Parcel
from tertulia.ports.broker_shares import Division
from tertulia.ports.leases import Leases
from tertulia.ports.store import TopicDepth


class RabbitBroker:
    """Made by `open_rabbitmq`. Publishing and consuming have a connection each: a broker that is
    short of memory stops reading from those that publish."""

    def __init__(
        self,
        sending: Link,
        receiving: Link,
        topology: Topology,
        leases: Leases,
        settings: RabbitmqSettings,
        *,
        confirm_s: float,
    ) -> None:
        self._sending = sending
        self._receiving = receiving
        self._topology = topology
        self._leases = leases
        self._settings = settings
        self._confirm_s = confirm_s
        self._publisher = Publisher(sending, topology, confirm_s)
        self._shelf = Shelf(sending, self._publisher, topology)

    async def publish(self, parcels: Sequence[Parcel]) -> frozenset[str]:
        """See the port."""
        return await self._publisher.publish(parcels)

    async def consume(self, topic: str, hands: Hands, *, concurrency: int) -> None:
        """See the port."""
        consumption = Consumption(
            self._receiving,
            self._publisher,
            self._topology,
            topic,
            hands,
            concurrency=concurrency,
            timeout_s=self._confirm_s,
            look_s=self._settings.look_s,
        )
        shared = inference_worker(topic) is None
        await consumption.run(
            Division(self._leases, topic, self._settings.share_s) if shared else None
        )

    async def letters(self, *, limit: int) -> Sequence[Letter]:
        """See the port."""
        return await self._shelf.letters(limit)

    async def revive(self, choose: Callable[[bytes], Parcel | None]) -> int:
        """See the port."""
        return await self._shelf.revive(choose)

    async def depths(self) -> Sequence[TopicDepth]:
        """See the port."""
        waiting = await self._shelf.waiting()
        depths = [_depth(topic, waiting=count) for topic, count in waiting.items() if count]
        dead = await self._shelf.dead()
        return [*depths, _depth("*", dead=dead)] if dead else depths

    async def topics(self) -> Sequence[str]:
        """See the port."""
        return await self._shelf.topics()

    async def remove(self, topic: str) -> bool:
        """See the port."""
        return await self._shelf.remove(topic)

    async def check(self) -> None:
        """See the port."""
        async with self._sending.brief_channel():
            pass

    async def close(self) -> None:
        """Both connections."""
        await asyncio.gather(self._sending.close(), self._receiving.close())


@asynccontextmanager
async def open_rabbitmq(
    url: str,
    leases: Leases,
    settings: RabbitmqSettings,
    *,
    name: str,
    returns: int,
    confirm_s: float,
) -> AsyncGenerator[Broker]:
    """Connects when it is first used, so a process starts while its broker is away."""
    topology = Topology(name=name, partitions=settings.partitions, returns=returns)
    sending, receiving = Link(url, confirm_s), Link(url, confirm_s)
    broker = RabbitBroker(sending, receiving, topology, leases, settings, confirm_s=confirm_s)
    try:
        yield broker
    finally:
        await broker.close()


def _depth(topic: str, *, waiting: int = 0, dead: int = 0) -> TopicDepth:
    return TopicDepth(topic=topic, waiting=waiting, leased=0, dead=dead, oldest_at=None)
