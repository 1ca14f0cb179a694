"""Handing over: confirmed by all nodes that follow, or not at all."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from tertulia.adapters.kafka.driver import (
    Headers,
    InvalidTopicError,
    KafkaError,
    NewTopic,
    Producer,
    TopicAlreadyExistsError,
    drop,
    for_code,
)
from tertulia.adapters.kafka.link import Link, start, translated
from tertulia.adapters.kafka.topology import Topology
from tertulia.kit.clock import to_us
from tertulia.kit.tasks import beside, uninterrupted
from tertulia.ports.broker import Letter, Parcel
from tertulia.ports.bus import BusUnavailableError

DOUBT_S: Final = 1.0  # a confirmation takes some milliseconds
REMEMBERED: Final = 10_000  # confirmations nobody asked for yet
ID: Final = "tertulia-id"
REASON: Final = "tertulia-reason"
ATTEMPTS: Final = "tertulia-attempts"
DIED_US: Final = "tertulia-died-us"

log = structlog.stdlib.get_logger(__name__)


class Publisher:
    """Publishes by one producer, as long as that is whole. Topics are made when they are first
    used, and again when a confirmation is long in coming: their topic may be gone."""

    def __init__(self, link: Link, topology: Topology) -> None:
        self._link = link
        self._topology = topology
        self._producer: Producer | None = None
        self._opening = asyncio.Lock()
        self._on_their_way: dict[tuple[str, str], asyncio.Future[object]] = {}
        self._declared: set[str] = set()

    async def publish(self, parcels: Sequence[Parcel], *, letter: str = "") -> frozenset[str]:
        """See the port's `publish`. `letter`: names the one that a parcel is sent again for."""
        topics = dict.fromkeys(parcel.topic for parcel in parcels)
        names = {topic: self._topology.name_of(topic) for topic in topics}
        names = {topic: name for topic, name in names.items() if await self._is_possible(name)}
        possible = [parcel for parcel in parcels if parcel.topic in names]
        with translated():
            async with self._confirming(*names.values()):
                kept = await asyncio.gather(*(self._one(letter, each) for each in possible))
        return frozenset(p.id for p, is_kept in zip(possible, kept, strict=True) if is_kept)

    async def bury(self, key: str, letter: Letter) -> None:
        """Put a letter among the dead, in place of one of the same key. BusUnavailableError when
        that is not confirmed."""
        headers = [
            (REASON, letter.reason.encode()),
            (ATTEMPTS, str(letter.attempts).encode()),
            (DIED_US, str(to_us(letter.died_at)).encode()),
        ]
        await self._record(key, letter.data, headers)

    async def forget(self, key: str) -> None:
        """Take a letter back. BusUnavailableError as above."""
        await self._record(key, None, [])

    async def declare(self, name: str) -> None:
        """Make a topic, if there is none. BusUnavailableError."""
        if name in self._declared:
            return
        wanted = NewTopic(
            name,
            self._topology.count(name),
            self._topology.replication,
            topic_configs=self._topology.options(name),
        )
        async with self._link.admin() as admin:
            answer = await admin.create_topics([wanted])
            for _, code, *_ in answer.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise error
        self._declared.add(name)

    def doubt(self, name: str) -> None:
        """Look again whether there is such a topic."""
        self._declared.discard(name)

    async def close(self) -> None:
        """What is not confirmed may or may not be kept."""
        if self._producer is not None:
            with suppress(BusUnavailableError), translated():
                await drop(self._producer)
            self._producer = None

    async def _is_possible(self, name: str) -> bool:
        """One topic that Kafka would never have, `a_b` beside `a.b`, holds up no others."""
        try:
            await self.declare(name)
        except BusUnavailableError as error:
            if not isinstance(error.__cause__, InvalidTopicError):
                raise
            log.exception("topic refused", topic=name)
            return False
        return True

    async def _record(self, key: str, value: bytes | None, headers: Headers) -> None:
        dead = self._topology.dead
        with translated():
            async with self._confirming(dead):
                producer = await self._whole()
                try:
                    future = await producer.send(dead, value, key.encode(), headers=headers)
                    await asyncio.shield(future)
                except KafkaError:
                    await uninterrupted(self._replace(producer))
                    raise

    @asynccontextmanager
    async def _confirming(self, *names: str) -> AsyncGenerator[None]:
        """The topics are there when it begins, and are looked after when it lasts."""
        async with asyncio.timeout(self._link.timeout_s):
            for name in names:
                await self.declare(name)
            async with beside(self._doubt_later(names)):
                yield

    async def _doubt_later(self, names: Sequence[str]) -> None:
        await asyncio.sleep(DOUBT_S)
        for name in names:
            self.doubt(name)
            with suppress(BusUnavailableError):  # of which the next attempt hears
                await self.declare(name)

    async def _one(self, letter: str, parcel: Parcel) -> bool:
        """Whether it is kept. One that was not confirmed in time is on its way yet, or has arrived
        since: it is not sent again, but waited for."""
        key, producer = (letter, parcel.id), await self._whole()
        try:
            future = self._on_their_way.get(key) or await self._sent(key, producer, parcel)
            await asyncio.shield(future)
        except KafkaError as error:
            log.warning("message refused", message_id=parcel.id, error=type(error).__name__)
            # It had a number, without which Kafka takes none of those that follow.
            await uninterrupted(self._replace(producer))
            return False
        self._on_their_way.pop(key, None)
        return True

    async def _sent(
        self, key: tuple[str, str], producer: Producer, parcel: Parcel
    ) -> asyncio.Future[object]:
        future = await producer.send(
            self._topology.name_of(parcel.topic),
            parcel.data,
            parcel.key.encode(),
            headers=[(ID, parcel.id.encode())],
        )

        def ended(future: asyncio.Future[object]) -> None:
            # Nobody may be waiting any more: that it is kept, the next one who asks is told.
            if future.cancelled() or future.exception() is not None:
                self._on_their_way.pop(key, None)

        self._forget_the_oldest()
        self._on_their_way[key] = future
        future.add_done_callback(ended)
        return future

    def _forget_the_oldest(self) -> None:
        """Of what is kept and nobody asked for again."""
        while len(self._on_their_way) >= REMEMBERED:
            oldest = next(iter(self._on_their_way))
            if not self._on_their_way[oldest].done():
                return
            del self._on_their_way[oldest]

    async def _whole(self) -> Producer:
        if self._producer is not None:
            return self._producer
        async with self._opening:
            if self._producer is None:
                producer = self._link.producer()
                try:
                    await start(producer)
                except BaseException:
                    await drop(producer)
                    raise
                self._producer = producer
            return self._producer

    async def _replace(self, producer: Producer) -> None:
        if self._producer is producer:
            self._producer = None
            await drop(producer)
