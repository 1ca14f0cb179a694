"""A broker in memory, with the freedoms that the port Broker allows one."""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Final
from zlib import crc32

from tertulia.ports.broker import Hands, Letter, Parcel
from tertulia.ports.bus import BusUnavailableError
from tertulia.ports.store import TopicDepth
from tests.simulation.ports import Way

SHARES: Final = 2
DEAD_NOTICED_S: Final = 4.0
"""How long a broker waits for a sign of a consumer."""
CONNECTION_LIVES_S: Final = 20.0


@dataclass(eq=False, slots=True)
class _Entry:
    parcel: Parcel
    returns: int = 0
    done: bool = False


@dataclass(eq=False, slots=True)
class _Consumer:
    """One subscription over one connection."""

    way: Way
    hands: Hands
    connected: bool = True


@dataclass(eq=False, slots=True)
class _Share:
    """A part of a topic: parcels in order, one consumer at a time."""

    name: str
    entries: list[_Entry] = field(default_factory=list[_Entry])
    owner: _Consumer | None = None


@dataclass(eq=False, slots=True)
class _Topic:
    shares: list[_Share]
    consumers: list[_Consumer] = field(default_factory=list[_Consumer])
    moving: asyncio.Task[None] | None = None
    move_again: bool = False


class MemoryBroker:
    """What is published stays until it is done. Shares go from one consumer to another as those
    come and leave; the former one has given it up by then, or is dead."""

    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}
        self.buried: list[Letter] = []

    def topic(self, name: str) -> _Topic:
        if name not in self._topics:
            self._topics[name] = _Topic([_Share(str(n)) for n in range(SHARES)])
        return self._topics[name]

    def add(self, parcel: Parcel) -> None:
        share = self.topic(parcel.topic).shares[crc32(parcel.key.encode()) % SHARES]
        entry = _Entry(parcel)
        share.entries.append(entry)
        if share.owner is not None:
            self._deliver(share, share.owner, entry)

    def join(self, topic: _Topic, consumer: _Consumer) -> None:
        topic.consumers.append(consumer)
        self._move(topic)

    def leave(self, topic: _Topic, consumer: _Consumer) -> None:
        """It has given up its shares, or is dead."""
        consumer.connected = False
        topic.consumers.remove(consumer)
        for share in topic.shares:
            if share.owner is consumer:
                share.owner = None
                for entry in share.entries:
                    entry.returns += not entry.done
        self._move(topic)

    def leave_later(self, topic: _Topic, consumer: _Consumer) -> None:
        """Nothing is heard of it any more."""
        loop = asyncio.get_running_loop()
        loop.call_later(DEAD_NOTICED_S, self.leave, topic, consumer, context=Context())

    def waiting(self) -> Sequence[TopicDepth]:
        depths: list[TopicDepth] = []
        for name, topic in sorted(self._topics.items()):
            left = sum(not entry.done for share in topic.shares for entry in share.entries)
            depths.append(TopicDepth(topic=name, waiting=left, leased=0, dead=0, oldest_at=None))
        return depths

    def remove(self, name: str) -> bool:
        """Whether there is no such topic now."""
        topic = self.topic(name)
        left = any(not entry.done for share in topic.shares for entry in share.entries)
        if left or topic.consumers:
            return False
        del self._topics[name]
        return True

    def _move(self, topic: _Topic) -> None:
        """In the broker's own context: no consumer's death stops it."""
        if topic.moving is not None and not topic.moving.done():
            topic.move_again = True
            return
        moving = self._move_shares(topic)
        topic.moving = Context().run(asyncio.get_running_loop().create_task, moving)

    async def _move_shares(self, topic: _Topic) -> None:
        topic.move_again = True
        while topic.move_again:
            topic.move_again = False
            for number, share in enumerate(topic.shares):
                await self._give(topic, share, number)

    async def _give(self, topic: _Topic, share: _Share, number: int) -> None:
        consumers = [consumer for consumer in topic.consumers if consumer.connected]
        wanted = consumers[number % len(consumers)] if consumers else None
        if share.owner is wanted:
            return
        former, share.owner = share.owner, None
        if former is not None and former.way.life.alive:
            await former.hands.give_up(share.name)
        if wanted is None or not wanted.connected:
            topic.move_again = wanted is not None
            return
        share.owner = wanted
        share.entries = [entry for entry in share.entries if not entry.done]
        for entry in share.entries:
            self._deliver(share, wanted, entry)

    def _deliver(self, share: _Share, consumer: _Consumer, entry: _Entry) -> None:
        life = consumer.way.life
        if consumer.connected and life.alive:
            life.within(lambda: consumer.hands.take(_Held(self, share, consumer, entry)))


class _Held:
    """Held (ports.broker)."""

    def __init__(
        self, broker: MemoryBroker, share: _Share, consumer: _Consumer, entry: _Entry
    ) -> None:
        self._broker = broker
        self._consumer = consumer
        self._entry = entry
        self.data: Final = entry.parcel.data
        self.share: Final = share.name
        self.returns: Final = entry.returns

    async def done(self) -> None:
        """See the port."""
        await self._tell()
        self._entry.done = True

    async def bury(self, letter: Letter) -> None:
        """See the port."""
        await self._tell()
        if not self._entry.done:
            self._broker.buried.append(letter)
        self._entry.done = True

    async def _tell(self) -> None:
        if not await self._consumer.way.reaches("broker") or not self._consumer.connected:
            raise BusUnavailableError


class FarBroker:
    """Broker, as one process reaches it."""

    def __init__(self, way: Way, broker: MemoryBroker) -> None:
        self._way = way
        self._broker = broker

    async def publish(self, parcels: Sequence[Parcel]) -> frozenset[str]:
        """See the port. What is not confirmed may be kept all the same, or come twice."""
        if not await self._way.reaches("broker"):
            raise BusUnavailableError
        confirmed: set[str] = set()
        for parcel in parcels:
            if not self._way.weather.loses():
                self._broker.add(parcel)
                if not self._way.weather.loses():
                    confirmed.add(parcel.id)
        await self._way.hop()
        if self._way.weather.loses():
            raise BusUnavailableError
        return frozenset(confirmed)

    async def consume(self, topic: str, hands: Hands, *, concurrency: int) -> None:
        """See the port."""
        del concurrency
        while True:
            await self._way.hop()
            place = self._broker.topic(topic)
            consumer = _Consumer(self._way, hands)
            self._broker.join(place, consumer)
            try:
                await self._until_cut()
                consumer.connected = False
            finally:
                await self._part(place, consumer)

    async def letters(self, *, limit: int) -> Sequence[Letter]:
        """See the port."""
        await self._reach()
        return self._broker.buried[:limit]

    async def revive(self, choose: Callable[[bytes], Parcel | None]) -> int:
        """See the port."""
        await self._reach()
        revived = [(letter, choose(letter.data)) for letter in self._broker.buried]
        for letter, parcel in revived:
            if parcel is not None:
                self._broker.add(parcel)
                self._broker.buried.remove(letter)
        return sum(parcel is not None for _, parcel in revived)

    async def depths(self) -> Sequence[TopicDepth]:
        """See the port."""
        await self._reach()
        return self._broker.waiting()

    async def topics(self) -> Sequence[str]:
        """See the port."""
        await self._reach()
        return [depth.topic for depth in self._broker.waiting()]

    async def remove(self, topic: str) -> bool:
        """See the port."""
        await self._reach()
        return self._broker.remove(topic)

    async def check(self) -> None:
        """See the port."""
        await self._reach()

    async def _reach(self) -> None:
        if not await self._way.reaches("broker"):
            raise BusUnavailableError

    async def _until_cut(self) -> None:
        """Connections break now and then while the weather is bad."""
        weather = self._way.weather
        while True:
            await asyncio.sleep(weather.dice.uniform(0, CONNECTION_LIVES_S))
            if weather.loses() or weather.cut(self._way.life.name, "broker"):
                return

    async def _part(self, place: _Topic, consumer: _Consumer) -> None:
        if not self._way.life.alive:
            self._broker.leave_later(place, consumer)
            return
        for share in place.shares:
            if share.owner is consumer:
                await consumer.hands.give_up(share.name)
        self._broker.leave(place, consumer)
