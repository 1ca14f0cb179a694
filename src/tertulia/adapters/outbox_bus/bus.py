"""The Bus port over the store's queue."""

import random
from collections.abc import Sequence

from tertulia.adapters.outbox_bus.consumer import Consumer
from tertulia.adapters.outbox_bus.settings import OutboxBusSettings
from tertulia.kit.clock import Clock
from tertulia.ports.bus import Handler
from tertulia.ports.bus_judge import Judge
from tertulia.ports.signals import Signals
from tertulia.ports.store import DeadMessage, QueuedMessage, Store, TopicDepth


class OutboxBus:
    """Embedded: an event is on the bus the moment its transaction commits, because the outbox
    table is the bus. The store's signal wakes the consumer; nothing is copied or relayed."""

    def __init__(
        self,
        store: Store,
        signals: Signals,
        clock: Clock,
        settings: OutboxBusSettings,
        dice: random.Random | None = None,
    ) -> None:
        self._store = store
        self._signals = signals
        self._clock = clock
        self._settings = settings
        self._dice = dice or random.SystemRandom()

    async def subscribe(
        self, topic: str, handler: Handler, *, concurrency: int, on_dead: Handler | None = None
    ) -> None:
        """See the port."""
        consumer = Consumer(
            store=self._store,
            signals=self._signals,
            clock=self._clock,
            settings=self._settings,
            topic=topic,
            concurrency=concurrency,
            judge=Judge(handler, on_dead, self._settings, self._dice),
        )
        await consumer.run()

    async def dead(self, *, topic: str | None = None, limit: int = 100) -> Sequence[DeadMessage]:
        """See the port."""
        return await self._store.read(lambda tx: tx.queue.dead(topic=topic, limit=limit))

    async def replay(self, message_ids: Sequence[str]) -> int:
        """See the port."""
        return await self._store.write(lambda tx: tx.queue.replay(message_ids))

    async def depths(self) -> Sequence[TopicDepth]:
        """See the port."""
        return await self._store.read(lambda tx: tx.queue.depths())


class NothingToCarry:
    """Carrier of the embedded bus: consumers read the outbox itself."""

    carries = False

    async def carry(self, messages: Sequence[QueuedMessage]) -> frozenset[str]:
        """See the port."""
        msg = "the outbox is the bus: its rows belong to the consumers"
        raise RuntimeError(msg, len(messages))

    async def topics(self) -> Sequence[str]:
        """See the port."""
        return ()

    async def remove(self, topic: str) -> bool:
        """See the port."""
        del topic
        return True

    async def check(self) -> None:
        """See the port."""
