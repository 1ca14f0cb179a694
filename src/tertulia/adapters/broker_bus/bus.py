"""The ports Bus and Carrier over a Broker."""

import random
from collections.abc import Sequence

from tertulia.adapters.broker_bus.envelope import Envelope, opened, sealed, stranger
from tertulia.adapters.broker_bus.lanes import Lanes
from tertulia.adapters.broker_bus.settings import BusSettings
from tertulia.domain.event_bodies import UnreadableEventError
from tertulia.kit.clock import Clock
from tertulia.ports.broker import Broker, Parcel
from tertulia.ports.bus import Handler
from tertulia.ports.bus_judge import Judge
from tertulia.ports.store import DeadMessage, QueuedMessage, Store, TopicDepth

MOST_LETTERS = 10_000


class BrokerBus:
    """Consumers read the broker. Letters that died in the outbox, before they were carried or with
    the embedded bus, are listed and replayed with the broker's own."""

    def __init__(
        self,
        broker: Broker,
        store: Store,
        clock: Clock,
        settings: BusSettings,
        dice: random.Random | None = None,
    ) -> None:
        self._broker = broker
        self._store = store
        self._clock = clock
        self._settings = settings
        self._dice = dice or random.SystemRandom()

    async def subscribe(
        self, topic: str, handler: Handler, *, concurrency: int, on_dead: Handler | None = None
    ) -> None:
        """See the port."""
        judge = Judge(handler, on_dead, self._settings, self._dice)
        async with Lanes(
            topic, judge, self._clock, concurrency=concurrency, returns=self._settings.returns
        ) as lanes:
            await self._broker.consume(topic, lanes, concurrency=concurrency)

    async def dead(self, *, topic: str | None = None, limit: int = 100) -> Sequence[DeadMessage]:
        """See the port."""
        in_store = await self._store.read(lambda tx: tx.queue.dead(topic=topic, limit=limit))
        letters = await self._broker.letters(limit=MOST_LETTERS)
        of_broker = [
            DeadMessage(
                id=envelope.id,
                topic=envelope.topic,
                kind=envelope.kind,
                attempts=letter.attempts,
                reason=letter.reason,
                died_at=letter.died_at,
            )
            for letter in letters
            if (envelope := _shown(letter.data)) and topic in {None, envelope.topic}
        ]
        return sorted([*in_store, *of_broker], key=lambda letter: letter.died_at)[:limit]

    async def replay(self, message_ids: Sequence[str]) -> int:
        """See the port."""
        wanted = set(message_ids)
        revived = await self._store.write(lambda tx: tx.queue.replay(list(message_ids)))

        def chosen(data: bytes) -> Parcel | None:
            envelope = _shown(data)
            if not envelope.topic or envelope.id not in wanted:
                return None
            return Parcel(id=envelope.id, topic=envelope.topic, key=envelope.key, data=data)

        return revived + await self._broker.revive(chosen)

    async def depths(self) -> Sequence[TopicDepth]:
        """See the port."""
        return await self._broker.depths()


class BrokerCarrier:
    """Carrier over a broker."""

    carries = True

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def carry(self, messages: Sequence[QueuedMessage]) -> frozenset[str]:
        """See the port."""
        return await self._broker.publish([sealed(message) for message in messages])

    async def topics(self) -> Sequence[str]:
        """See the port."""
        return await self._broker.topics()

    async def remove(self, topic: str) -> bool:
        """See the port."""
        return await self._broker.remove(topic)

    async def check(self) -> None:
        """See the port."""
        await self._broker.check()


def _shown(data: bytes) -> Envelope:
    try:
        return opened(data)
    except UnreadableEventError:
        return stranger(data)
