"""Queues that are walked through: dead letters, and the names of topics."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from tertulia.adapters.rabbitmq.link import Link
from tertulia.adapters.rabbitmq.publishing import ATTEMPTS, DIED_US, REASON, Publisher
from tertulia.adapters.rabbitmq.topology import PLAIN, Topology
from tertulia.kit.clock import from_us
from tertulia.ports.broker import Letter, Parcel
from tertulia.ports.bus_judge import EXHAUSTED


class Shelf:
    """Reading a queue means taking what is in it and putting back what one does not want: two who
    read at once see a part each."""

    def __init__(self, link: Link, publisher: Publisher, topology: Topology) -> None:
        self._link = link
        self._publisher = publisher
        self._topology = topology

    async def letters(self, limit: int) -> Sequence[Letter]:
        """See the port's `letters`."""
        found: list[Letter] = []
        async with self._queue(self._topology.dead) as queue:
            while len(found) < limit and (message := await queue.get(fail=False)):
                found.append(_letter(message))
        return sorted(found, key=lambda letter: letter.died_at)

    async def revive(self, choose: Callable[[bytes], Parcel | None]) -> int:
        """See the port's `revive`. One at a time: a letter is dropped once its parcel is kept."""
        revived = 0
        async with self._queue(self._topology.dead) as queue:
            while message := await queue.get(fail=False):
                parcel = choose(message.body)
                if parcel and await self._publisher.publish([parcel]):
                    await message.ack()
                    revived += 1
        return revived

    async def topics(self) -> Sequence[str]:
        """Every topic that was ever used. Each process names it once: doubles are dropped."""
        known: set[str] = set()
        async with self._queue(self._topology.topics) as queue:
            while message := await queue.get(fail=False):
                topic = message.body.decode()
                if topic in known:
                    await message.ack()
                known.add(topic)
        return sorted(known | self._publisher.declared)

    async def waiting(self, topic: str) -> int:
        """How many messages of a topic nobody has in hand."""
        count = 0
        for name in self._topology.queues(topic):
            async with self._link.brief_channel() as channel:
                queue = await channel.declare_queue(name, passive=True)
                count += queue.declaration_result.message_count or 0
        return count

    async def dead(self) -> int:
        """How many letters there are."""
        async with self._queue(self._topology.dead) as queue:
            return queue.declaration_result.message_count or 0

    @asynccontextmanager
    async def _queue(self, name: str) -> AsyncGenerator[AbstractQueue]:
        async with self._link.brief_channel() as channel:
            yield await channel.declare_queue(name, durable=True, arguments=PLAIN)


def _letter(message: AbstractIncomingMessage) -> Letter:
    headers = cast("dict[str, Any]", message.headers)
    if REASON in headers:
        return Letter(
            data=message.body,
            attempts=headers[ATTEMPTS],
            reason=headers[REASON],
            died_at=from_us(headers[DIED_US]),
        )
    # Not by us: it exceeded the queue's delivery limit.
    deaths = cast("list[dict[str, Any]]", headers.get("x-death", []))
    died_at = deaths[0]["time"] if deaths else datetime.now(UTC)
    return Letter(
        data=message.body,
        attempts=headers.get("x-delivery-count", 0),
        reason=EXHAUSTED,
        died_at=died_at.replace(tzinfo=UTC),
    )
