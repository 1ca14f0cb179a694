"""Queues of workers who are gone for good. A worker's name is that of one process, so a broker
would gather queues for ever."""

import structlog

from tertulia.domain.events import inference_worker
from tertulia.kit.clock import Clock
from tertulia.ports.bus import Carrier
from tertulia.ports.leases import Leases
from tertulia.ports.store import Store
from tertulia.roles.relay.service.workers import live_workers
from tertulia.roles.relay.settings import RelaySettings

log = structlog.stdlib.get_logger(__name__)


class Sweeper:
    """Removes what held nothing, for nobody, as long as `gone_s`: routers have long forgotten the
    worker, and no row in the outbox is for it."""

    def __init__(
        self, store: Store, carrier: Carrier, leases: Leases, clock: Clock, settings: RelaySettings
    ) -> None:
        self._store = store
        self._carrier = carrier
        self._leases = leases
        self._clock = clock
        self._gone_s = settings.gone_s
        self._seen: dict[str, float] = {}

    async def sweep(self) -> int:
        """Returns how many were removed. Raises what the store raises, and BusUnavailableError."""
        deserted = await self._deserted()
        now = self._clock.monotonic()
        self._seen = {topic: self._seen.get(topic, now) for topic in deserted}
        removed = 0
        for topic, since in list(self._seen.items()):
            if now - since >= self._gone_s and await self._carrier.remove(topic):
                log.info("queue removed", topic=topic)
                del self._seen[topic]
                removed += 1
        return removed

    async def _deserted(self) -> list[str]:
        """Topics of workers without a lease, for whom nothing waits to be carried."""
        topics = await self._carrier.topics()
        depths = await self._store.read(lambda tx: tx.queue.depths())
        due = {depth.topic for depth in depths if depth.waiting or depth.leased}
        return [topic for topic in topics if topic not in due and await self._is_gone(topic)]

    async def _is_gone(self, topic: str) -> bool:
        place = inference_worker(topic)
        if place is None:
            return False
        character_id, worker = place
        live = await live_workers(self._leases, character_id)
        return live is not None and worker not in live
