"""Work that waits for a worker who is gone goes back to be routed anew."""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from tertulia.domain.event_bodies import UnknownEventError, UnreadableEventError
from tertulia.domain.events import TURNS, Event, ReplyRequested, TurnRequested, inference_worker
from tertulia.domain.messages import Status
from tertulia.kit.clock import Clock
from tertulia.ports.bus import Bus, Carrier, Delivery, Retry
from tertulia.ports.leases import Leases
from tertulia.ports.store import MessageChange, QueuedMessage, Store, TopicDepth, Tx
from tertulia.roles.relay.service.workers import live_workers
from tertulia.roles.relay.settings import RelaySettings

LEASE: Final = timedelta(seconds=30)  # taken and settled within one unit of work
CONSUMER: Final = "relay"
DRAINED_AT_ONCE: Final = 16
BACK_S: Final = 0.5  # how often to see whether the worker is back

log = structlog.stdlib.get_logger(__name__)


async def reclaim(
    store: Store, bus: Bus, carrier: Carrier, leases: Leases, clock: Clock, settings: RelaySettings
) -> int:
    """Returns how many messages were taken back from the queues of workers who hold no lease, once
    somebody is there to take them over. Messages in somebody's hands are left alone: those come
    back first."""
    reclaimed = 0
    for depth in await bus.depths():
        if not await is_stranded(depth, leases):
            continue
        if carrier.carries:
            moved = await _Drain(store, leases, clock, settings).run(bus, depth)
        else:
            moved = await _reroute(store, depth.topic, settings)
        if moved:
            log.warning("stranded work reclaimed", topic=depth.topic, messages=moved)
        reclaimed += moved
    return reclaimed


async def is_stranded(depth: TopicDepth, leases: Leases) -> bool:
    """Whether work waits there for a worker who is gone, while others are there who may do it."""
    place = inference_worker(depth.topic)
    if place is None or not depth.waiting:
        return False
    character_id, worker = place
    live = await live_workers(leases, character_id)
    return bool(live) and worker not in live


async def _reroute(store: Store, topic: str, settings: RelaySettings) -> int:
    rerouted = 0
    # A take gives one message of each key, so it goes on until there is none to move.
    while moved := await store.write(lambda tx: _move_stranded(tx, topic, settings)):
        rerouted += moved
    return rerouted


def _move_stranded(tx: Tx, topic: str, settings: RelaySettings) -> int:
    stranded_before = tx.now - timedelta(seconds=settings.stranded_s)
    moved = 0
    for message in tx.queue.take([topic], limit=settings.batch, lease=LEASE):
        event = _read(message)
        if message.created_at > stranded_before or not isinstance(event, ReplyRequested):
            tx.queue.settle(message.id, message.fence, "retry", counted=False)
            continue
        _route_anew(tx, event)
        tx.queue.settle(message.id, message.fence, "done", reason="reclaimed")
        moved += 1
    return moved


def _read(message: QueuedMessage) -> Event | None:
    """None for one that is another version's to read."""
    try:
        return message.event()
    except (UnknownEventError, UnreadableEventError):
        return None


class _Drain:
    """Consumes the queue of a worker who is gone, on a broker, as that worker would. A queue has
    one consumer at a time, so it is left as soon as the worker is back."""

    def __init__(self, store: Store, leases: Leases, clock: Clock, settings: RelaySettings) -> None:
        self._store = store
        self._leases = leases
        self._clock = clock
        self._settings = settings
        self._moved = 0
        self._progress = asyncio.Event()

    async def run(self, bus: Bus, depth: TopicDepth) -> int:
        """Until as many have moved as waited, or none has for a while: the rest is too young, or
        somebody else's."""
        drain = asyncio.create_task(
            bus.subscribe(depth.topic, self._on_stranded, concurrency=DRAINED_AT_ONCE)
        )
        left_s = self._settings.drain_pause_s
        try:
            while self._moved < depth.waiting and left_s > 0 and not await self._is_back(depth):
                self._progress.clear()
                try:
                    async with asyncio.timeout(min(BACK_S, left_s)):
                        await self._progress.wait()
                except TimeoutError:
                    left_s -= BACK_S
                else:
                    left_s = self._settings.drain_pause_s
        finally:
            drain.cancel()
            await asyncio.wait({drain})
        return self._moved

    async def _is_back(self, depth: TopicDepth) -> bool:
        place = inference_worker(depth.topic)
        if place is None:
            return False
        character_id, worker = place
        return worker in (await live_workers(self._leases, character_id) or ())

    async def _on_stranded(self, delivery: Delivery) -> None:
        event = delivery.event
        waited_s = (self._clock.now() - delivery.created_at).total_seconds()
        if waited_s < self._settings.stranded_s or not isinstance(event, ReplyRequested):
            raise Retry(max(1.0, self._settings.stranded_s - waited_s))

        def move(tx: Tx) -> None:
            if tx.inbox.accept(CONSUMER, delivery.id):
                _route_anew(tx, event)

        await self._store.write(move)
        self._moved += 1
        self._progress.set()


def _route_anew(tx: Tx, event: ReplyRequested) -> None:
    """A reply that waits gets a new epoch: a worker who comes back and is given the request once
    more leaves it alone. One that was begun keeps its epoch, and the next worker ends it."""
    epoch = event.epoch
    reply = tx.messages.get(event.conversation_id, event.reply_id)
    if reply is not None and reply.epoch == epoch and reply.status is Status.QUEUED:
        change = MessageChange(epoch=epoch, next_epoch=epoch + 1)
        epoch = tx.messages.change(event.conversation_id, event.reply_id, change).epoch
    again = TurnRequested(
        conversation_id=event.conversation_id,
        message_id=event.message_id,
        reply_id=event.reply_id,
        epoch=epoch,
    )
    tx.outbox.add(TURNS, event.conversation_id, again)
