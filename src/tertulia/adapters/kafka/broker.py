"""The Broker port on Kafka."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from tertulia.adapters.kafka.consuming import Consumption
from tertulia.adapters.kafka.driver import delete, is_deserted
from tertulia.adapters.kafka.letters import Shelf
from tertulia.adapters.kafka.link import Link
from tertulia.adapters.kafka.publishing import Publisher
from tertulia.adapters.kafka.settings import KafkaSettings
from tertulia.adapters.kafka.topology import Topology
from tertulia.ports.broker import Broker, Hands, Letter, Parcel
from tertulia.ports.bus import BusUnavailableError
from tertulia.ports.store import TopicDepth


class KafkaBroker:
    """Made by `open_kafka`."""

    def __init__(self, link: Link, topology: Topology, settings: KafkaSettings) -> None:
        self._link = link
        self._topology = topology
        self._settings = settings
        self._publisher = Publisher(link, topology)
        self._shelf = Shelf(link, self._publisher, topology)

    async def publish(self, parcels: Sequence[Parcel]) -> frozenset[str]:
        """See the port."""
        return await self._publisher.publish(parcels)

    async def consume(self, topic: str, hands: Hands, *, concurrency: int) -> None:
        """See the port. How many are in hand does not depend on `concurrency`: what one process
        has of a partition, no other one could have."""
        del concurrency
        consumption = Consumption(
            self._link,
            self._publisher,
            self._topology,
            topic,
            hands,
            session_s=self._settings.session_s,
            look_s=self._settings.look_s,
        )
        await consumption.run()

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
        """See the port. With a topic Kafka drops what its group has committed."""
        name = self._topology.name_of(topic)
        if (await self._shelf.waiting(name)).get(topic):
            return False
        async with self._link.admin() as admin:
            if not await is_deserted(admin, name):
                return False
            await delete(admin, name)
        self._publisher.doubt(name)
        return True

    async def check(self) -> None:
        """See the port. Also when too few nodes are there to confirm a message."""
        async with self._link.admin() as admin:
            nodes = len((await admin.describe_cluster())["brokers"])
        if nodes < self._topology.quorum:
            msg = f"Kafka has {nodes} of the {self._topology.quorum} nodes that confirm a message."
            raise BusUnavailableError(msg)

    async def close(self) -> None:
        """All connections."""
        await self._publisher.close()
        await self._link.close()


@asynccontextmanager
async def open_kafka(
    url: str, settings: KafkaSettings, *, name: str, confirm_s: float
) -> AsyncGenerator[Broker]:
    """Connects when it is first used, so a process starts while its broker is away."""
    topology = Topology(name=name, partitions=settings.partitions, replication=settings.replication)
    broker = KafkaBroker(Link(url, settings, confirm_s), topology, settings)
    try:
        yield broker
    finally:
        await broker.close()


def _depth(topic: str, *, waiting: int = 0, dead: int = 0) -> TopicDepth:
    return TopicDepth(topic=topic, waiting=waiting, leased=0, dead=dead, oldest_at=None)
