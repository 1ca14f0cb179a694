"""One pass of the relay: drop what outlived its use, reclaim stranded work, count what waits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from tertulia.domain.events import (
    TURNS,
    ReplyRequested,
    TurnRequested,
    inference_worker,
    workers_group,
)
from tertulia.kit.crash_points import crash_point
from tertulia.kit.metrics import PRUNED, QUEUE_DEPTH, QUEUE_OLDEST_S
from tertulia.ports.bus import Bus
from tertulia.ports.leases import Leases, LeasesUnavailableError
from tertulia.ports.store import Store, TopicDepth, Tx
from tertulia.roles.relay.errors import DeadLetterMissingError
from tertulia.roles.relay.settings import RelaySettings

LEASE: Final = timedelta(seconds=30)  # taken and settled within one unit of work
DEAD_AT_ONCE: Final = 10_000

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayReport:
    """What one pass did: rows dropped from the outbox, the inbox and the feed, messages taken
    back from workers who are gone; and what waited when it was done, by topic."""

    outbox: int
    inbox: int
    feed: int
    reclaimed: int
    depths: Sequence[TopicDepth]


async def run_once(store: Store, leases: Leases, settings: RelaySettings) -> RelayReport:
    """One pass. Its steps are bounded units of work that can be repeated, so whatever a pass
    leaves undone is done by the next. Raises what the store raises."""
    done_kept = timedelta(seconds=settings.done_kept_s)
    inbox_kept = timedelta(seconds=settings.inbox_kept_s)
    feed_kept = timedelta(seconds=settings.feed_kept_s)
    batch = settings.batch
    pruned = {
        "outbox": await _prune(
            store, batch, lambda tx: tx.queue.prune(before=tx.now - done_kept, limit=batch)
        ),
        "inbox": await _prune(
            store, batch, lambda tx: tx.inbox.prune(before=tx.now - inbox_kept, limit=batch)
        ),
        "feed": await _prune(
            store, batch, lambda tx: tx.feed.prune(before=tx.now - feed_kept, limit=batch)
        ),
    }
    for what, count in pruned.items():
        PRUNED.labels(what).inc(count)
    reclaimed = await _reclaim(store, leases, settings)
    now, depths = await store.read(lambda tx: (tx.now, tx.queue.depths()))
    _expose(now, depths)
    return RelayReport(**pruned, reclaimed=reclaimed, depths=depths)


async def replay_dead(
    bus: Bus, *, message_ids: Sequence[str] | None = None, topic: str | None = None
) -> int:
    """Make dead letters due again, those of `message_ids` or else all (of a topic); returns how
    many. DeadLetterMissingError when some of the ids are none; the others are replayed."""
    if message_ids is None:
        letters = await bus.dead(topic=topic, limit=DEAD_AT_ONCE)
        return await bus.replay([letter.id for letter in letters])
    wanted = list(dict.fromkeys(message_ids))
    count = await bus.replay(wanted)
    if count < len(wanted):
        raise DeadLetterMissingError(asked=len(wanted), replayed=count)
    return count


async def _prune(store: Store, batch: int, prune: Callable[[Tx], int]) -> int:
    """Batch by batch, so that nobody waits for a long transaction."""
    dropped = 0
    while True:
        count = await store.write(prune)
        crash_point("relay.after_prune")
        dropped += count
        if count < batch:
            return dropped


async def _reclaim(store: Store, leases: Leases, settings: RelaySettings) -> int:
    """Work routed to a worker who holds no lease any more goes back to be routed anew, once
    somebody is there to take it. Messages that are leased are left alone: their lease runs out
    first."""
    reclaimed = 0
    depths = await store.read(lambda tx: tx.queue.depths())
    for topic in [depth.topic for depth in depths if depth.waiting > 0]:
        place = inference_worker(topic)
        if place is None:
            continue
        character_id, worker = place
        try:
            live = {member.name for member in await leases.members(workers_group(character_id))}
        except LeasesUnavailableError:
            continue
        if live and worker not in live:
            reclaimed += await _reroute(store, topic, settings)
    return reclaimed


async def _reroute(store: Store, topic: str, settings: RelaySettings) -> int:
    rerouted = 0
    # A take gives one message of each key, so it goes on until there is none to move.
    while moved := await store.write(lambda tx: _move_stranded(tx, topic, settings)):
        rerouted += moved
    if rerouted:
        log.warning("stranded work reclaimed", topic=topic, messages=rerouted)
    return rerouted


def _move_stranded(tx: Tx, topic: str, settings: RelaySettings) -> int:
    stranded_before = tx.now - timedelta(seconds=settings.stranded_s)
    moved = 0
    for message in tx.queue.take([topic], limit=settings.batch, lease=LEASE):
        event = message.event
        if message.created_at > stranded_before or not isinstance(event, ReplyRequested):
            tx.queue.settle(message.id, message.fence, "retry", counted=False)
            continue
        again = TurnRequested(
            conversation_id=event.conversation_id,
            message_id=event.message_id,
            reply_id=event.reply_id,
            epoch=event.epoch,
        )
        tx.outbox.add(TURNS, event.conversation_id, again)
        tx.queue.settle(message.id, message.fence, "done", reason="reclaimed")
        moved += 1
    return moved


def _expose(now: datetime, depths: Sequence[TopicDepth]) -> None:
    QUEUE_DEPTH.clear()
    QUEUE_OLDEST_S.clear()
    for depth in depths:
        for state in ("waiting", "leased", "dead"):
            QUEUE_DEPTH.labels(depth.topic, state).set(getattr(depth, state))
        age = now - depth.oldest_at if depth.oldest_at else timedelta(0)
        QUEUE_OLDEST_S.labels(depth.topic).set(age.total_seconds())
