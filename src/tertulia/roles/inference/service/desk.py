"""The places of a worker, and what becomes of work that finds none."""

import asyncio
from collections import Counter, deque
from typing import Final

import structlog

from tertulia.domain.events import ReplyRequested, inference_topic, workers_group
from tertulia.domain.ids import CharacterId
from tertulia.domain.messages import Status
from tertulia.domain.routing import choose_worker
from tertulia.kit.metrics import REPLIES_HANDED_OVER
from tertulia.ports.bus import Delivery, Handler
from tertulia.ports.leases import Leases, LeasesUnavailableError
from tertulia.ports.store import MessageChange, Store, Tx
from tertulia.roles.inference.settings import InferenceSettings

WAITING_ROOM: Final = 16  # read ahead of the places: what stays in the queue cannot be handed over
LOOK_S: Final = 1.0  # as often as workers tell their load

log = structlog.stdlib.get_logger(__name__)


class Desk:
    """Lets as many requests through to `handle` as the worker has places.

    The others wait at the desk. As soon as another worker of the character has told that it has
    room, they go to its queue with a new epoch: should this worker be given the old request once
    more, the reply is no longer its. While nobody has room they wait for a place here. What a
    worker was sent counts as its load until it has had time to tell of it.
    """

    def __init__(
        self,
        store: Store,
        leases: Leases,
        character_id: CharacterId,
        handle: Handler,
        settings: InferenceSettings,
        *,
        look_s: float = LOOK_S,
    ) -> None:
        self._store = store
        self._leases = leases
        self._character_id = character_id
        self._handle = handle
        self._worker = settings.worker
        self._places = asyncio.Semaphore(settings.capacity)
        self._look_s = look_s
        self._sent: deque[tuple[float, str]] = deque()
        self.concurrency = settings.capacity + WAITING_ROOM
        """How many deliveries to read at once."""
        self.in_hand = 0
        """Requests that have a place or wait for one."""

    async def on_reply_requested(self, delivery: Delivery) -> None:
        """Handle it here, or have another worker handle it."""
        self.in_hand += 1
        try:
            if await self._seated(delivery):
                try:
                    await self._handle(delivery)
                finally:
                    self._places.release()
        finally:
            self.in_hand -= 1

    async def _seated(self, delivery: Delivery) -> bool:
        """True with a place; False when another worker has the request now."""
        while True:
            if self._places.locked() and await self._handed_over(delivery):
                return False
            try:
                async with asyncio.timeout(self._look_s):
                    return await self._places.acquire()
            except TimeoutError:
                continue

    async def _handed_over(self, delivery: Delivery) -> bool:
        event = delivery.event
        if not isinstance(event, ReplyRequested):
            return False
        worker = await self._worker_with_room(event)
        if worker is None:
            return False
        topic = inference_topic(self._character_id, worker)
        handed_over = await self._store.write(lambda tx: _hand_over(tx, event, topic))
        if handed_over:
            REPLIES_HANDED_OVER.inc()
            log.info("reply handed over", reply_id=event.reply_id, epoch=event.epoch, to=worker)
        return handed_over

    async def _worker_with_room(self, event: ReplyRequested) -> str | None:
        try:
            members = await self._leases.members(workers_group(self._character_id))
        except LeasesUnavailableError:
            return None
        sent = self._sent_lately()
        loads = {m.name: m.load + sent[m.name] for m in members if m.name != self._worker}
        room = {m.name: m.capacity for m in members if loads.get(m.name, m.capacity) < m.capacity}
        worker = choose_worker(event.conversation_id, room, loads)
        if worker is not None:
            self._sent.append((asyncio.get_running_loop().time(), worker))
        return worker

    def _sent_lately(self) -> Counter[str]:
        since = asyncio.get_running_loop().time() - LOOK_S
        while self._sent and self._sent[0][0] < since:
            self._sent.popleft()
        return Counter(worker for _, worker in self._sent)


def _hand_over(tx: Tx, event: ReplyRequested, topic: str) -> bool:
    """False when the reply does not wait for this request: that is for its handler to judge."""
    reply = tx.messages.get(event.conversation_id, event.reply_id)
    if reply is None or reply.epoch != event.epoch or reply.status is not Status.QUEUED:
        return False
    change = MessageChange(epoch=event.epoch, next_epoch=event.epoch + 1)
    moved = tx.messages.change(event.conversation_id, event.reply_id, change)
    request = ReplyRequested(
        conversation_id=event.conversation_id,
        message_id=event.message_id,
        reply_id=event.reply_id,
        epoch=moved.epoch,
    )
    tx.outbox.add(topic, event.conversation_id, request)
    return True
