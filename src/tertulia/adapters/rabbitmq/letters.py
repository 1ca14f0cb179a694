"""Queues that are walked through: dead letters, and the names of topics."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import chain
from typing import Any, cast

import structlog
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue
from aiormq.exceptions import ChannelNotFoundEntity
from pamqp.commands import Queue

from tertulia.adapters.rabbitmq.link import Link
from tertulia.adapters.rabbitmq.publishing import ATTEMPTS, DIED_US, REASON, Publisher
from tertulia.adapters.rabbitmq.topology import PLAIN, Topology
from tertulia.kit.clock import from_us
from tertulia.ports.broker import Letter, Parcel
from tertulia.ports.bus import BusUnavailableError
from tertulia.ports.bus_judge import EXHAUSTED

log = structlog.stdlib.get_logger(__name__)


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

    async def waiting(self) -> Mapping[str, int]:
        """How many messages of each topic nobody has in hand."""
        queues = {topic: self._topology.queues(topic) for topic in await self.topics()}
        found = await self._found(chain.from_iterable(queues.values()))
        return {
            topic: sum(found[name].message_count or 0 for name in names if name in found)
            for topic, names in queues.items()
        }

    async def remove(self, topic: str) -> bool:
        """See the port. A quorum queue cannot be deleted on condition, so it is looked at before;
        its name goes last, so that a removal that breaks off is done again."""
        found = await self._found(self._topology.queues(topic))
        if any(each.message_count or each.consumer_count for each in found.values()):
            return False
        async with self._link.brief_channel() as channel:
            for name in found:
                deleted = await channel.queue_delete(name)
                if deleted.message_count:
                    log.error("messages removed", topic=topic, messages=deleted.message_count)
        self._publisher.declared.discard(topic)
        async with self._queue(self._topology.topics) as queue:
            while message := await queue.get(fail=False):
                if message.body.decode() == topic:
                    await message.ack()
        return True

    async def dead(self) -> int:
        """How many letters there are."""
        async with self._queue(self._topology.dead) as queue:
            return queue.declaration_result.message_count or 0

    async def _found(self, names: Iterable[str]) -> Mapping[str, Queue.DeclareOk]:
        """Those queues that are there. The broker closes the channel that asks for one that another
        process has removed."""
        found: dict[str, Queue.DeclareOk] = {}
        left = list(names)
        while left:
            try:
                async with self._link.brief_channel() as channel:
                    while left:
                        queue = await channel.declare_queue(left[-1], passive=True)
                        found[left.pop()] = queue.declaration_result
            except BusUnavailableError as error:
                if not isinstance(error.__cause__, ChannelNotFoundEntity):
                    raise
                left.pop()
        return found

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
