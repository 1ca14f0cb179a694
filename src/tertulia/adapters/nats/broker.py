"""The Broker port on NATS JetStream."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from nats.js.api import ConsumerInfo

from tertulia.adapters.nats.consuming import Consumption
from tertulia.adapters.nats.letters import Shelf
from tertulia.adapters.nats.link import Line, Link, translated
from tertulia.adapters.nats.publishing import Publisher
from tertulia.adapters.nats.settings import NatsSettings
from tertulia.adapters.nats.topology import Topology
from tertulia.domain.events import inference_worker
from tertulia.ports.broker import Broker, Hands, Letter, Parcel
from tertulia.ports.broker_shares import Division
from tertulia.ports.leases import Leases
from tertulia.ports.store import TopicDepth


class NatsBroker:
    """Made by `open_nats`."""

    def __init__(
        self,
        link: Link,
        topology: Topology,
        leases: Leases,
        settings: NatsSettings,
        *,
        confirm_s: float,
    ) -> None:
        self._topology = topology
        self._leases = leases
        self._settings = settings
        self._publisher = Publisher(link, topology, confirm_s)
        self._shelf = Shelf(self._publisher, topology, confirm_s)

    async def publish(self, parcels: Sequence[Parcel]) -> frozenset[str]:
        """See the port."""
        return await self._publisher.publish(parcels)

    async def consume(self, topic: str, hands: Hands, *, concurrency: int) -> None:
        """See the port."""
        consumption = Consumption(
            self._publisher,
            self._topology,
            topic,
            hands,
            self._settings,
            concurrency=concurrency,
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
        with translated():
            line = await self._publisher.ready()
            waiting = await self._waiting(line)
            dead = (await line.answer(line.js.stream_info(self._topology.dead))).state.messages
        depths = [_depth(topic, waiting=count) for topic, count in sorted(waiting.items()) if count]
        return [*depths, _depth("*", dead=dead)] if dead else depths

    async def topics(self) -> Sequence[str]:
        """See the port."""
        with translated():
            line = await self._publisher.ready()
            return sorted(await self._waiting(line))

    async def remove(self, topic: str) -> bool:
        """See the port. Only consumers go: a message stays in the stream for the next one."""
        with translated():
            line = await self._publisher.ready()
            if (await self._waiting(line))[topic]:
                return False
            subjects = self._topology.subjects(topic)
            consumers = await self._consumers(line)
            found = [each for each in consumers if each.config.filter_subject in subjects]
            if any(each.push_bound for each in found):
                return False
            for each in found:
                await line.answer(line.js.delete_consumer(self._topology.stream, each.name))
        return True

    async def check(self) -> None:
        """See the port."""
        with translated():
            line = await self._publisher.ready()
            await line.answer(line.js.account_info())

    async def _waiting(self, line: Line) -> Counter[str]:
        """By topic. After it was killed the server may have messages that its consumers are done
        with, and the other way round: what waits is known to both. A subject that nobody consumed
        yet has no consumer."""
        stream = self._topology.stream
        info = await line.answer(line.js.stream_info(stream, subjects_filter=">"))
        waiting = dict(info.state.subjects or {})
        for consumer in await self._consumers(line):
            subject = consumer.config.filter_subject or ""
            pending = (consumer.num_pending or 0) + (consumer.num_ack_pending or 0)
            waiting[subject] = min(waiting.get(subject, 0), pending)
        by_topic = Counter[str]()
        for subject, count in waiting.items():
            by_topic[self._topology.topic_of(subject)] += count
        return by_topic

    async def _consumers(self, line: Line) -> Sequence[ConsumerInfo]:
        stream = self._topology.stream
        found: list[ConsumerInfo] = []
        while page := await line.answer(line.js.consumers_info(stream, offset=len(found))):
            found += page
        return found


@asynccontextmanager
async def open_nats(
    url: str, leases: Leases, settings: NatsSettings, *, name: str, confirm_s: float
) -> AsyncGenerator[Broker]:
    """Connects when it is first used, so a process starts while its broker is away."""
    topology = Topology(name=name, partitions=settings.partitions, replicas=settings.replicas)
    link = Link(url, confirm_s)
    try:
        yield NatsBroker(link, topology, leases, settings, confirm_s=confirm_s)
    finally:
        await link.close()


def _depth(topic: str, *, waiting: int = 0, dead: int = 0) -> TopicDepth:
    return TopicDepth(topic=topic, waiting=waiting, leased=0, dead=dead, oldest_at=None)
