"""One pass of the relay: carry what is due, reclaim stranded work, drop what outlived its use,
count what waits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from tertulia.kit.clock import Clock
from tertulia.kit.crash_points import crash_point
from tertulia.kit.metrics import PRUNED, QUEUE_DEPTH, QUEUE_OLDEST_S
from tertulia.ports.bus import Bus, BusUnavailableError, Carrier
from tertulia.ports.leases import Leases
from tertulia.ports.store import Store, TopicDepth, Tx
from tertulia.roles.relay.service.carrying import carry_due
from tertulia.roles.relay.service.reclaiming import is_stranded, reclaim
from tertulia.roles.relay.settings import RelaySettings

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayReport:
    """What one pass did: rows dropped from the outbox, the inbox and the feed, messages carried to
    the broker and taken back from workers who are gone; and what waited when it was done, by
    topic. `stranded`: some of that is for workers who are gone. `broker_away`: the broker could not
    be asked, so all that it concerns is left to the next pass."""

    outbox: int
    inbox: int
    feed: int
    carried: int
    reclaimed: int
    stranded: bool
    broker_away: bool
    depths: Sequence[TopicDepth]


async def run_once(
    store: Store,
    bus: Bus,
    carrier: Carrier,
    leases: Leases,
    clock: Clock,
    settings: RelaySettings,
) -> RelayReport:
    """One pass. Its steps are bounded units of work that can be repeated, so whatever a pass
    leaves undone is done by the next. Raises what the store raises."""
    pruned = await _prune_all(store, settings)
    carried = reclaimed = 0
    waiting: Sequence[TopicDepth] = ()
    broker_away = False
    try:
        if carrier.carries:
            carried = await carry_due(store, carrier, settings)
        reclaimed = await reclaim(store, bus, carrier, leases, clock, settings)
        if carrier.carries:
            waiting = await bus.depths()
    except BusUnavailableError as error:
        log.warning("broker away", error=error.message)
        broker_away = True
    now, uncarried = await store.read(lambda tx: (tx.now, tx.queue.depths()))
    _expose(now, uncarried, waiting, carries=carrier.carries)
    at_workers = waiting if carrier.carries else uncarried
    stranded = [depth for depth in at_workers if await is_stranded(depth, leases)]
    return RelayReport(
        **pruned,
        carried=carried,
        reclaimed=reclaimed,
        stranded=bool(stranded),
        broker_away=broker_away,
        depths=[*uncarried, *waiting],
    )


async def _prune_all(store: Store, settings: RelaySettings) -> dict[str, int]:
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
    return pruned


async def _prune(store: Store, batch: int, prune: Callable[[Tx], int]) -> int:
    """Batch by batch, so that nobody waits for a long transaction."""
    dropped = 0
    while True:
        count = await store.write(prune)
        crash_point("relay.after_prune")
        dropped += count
        if count < batch:
            return dropped


def _expose(
    now: datetime,
    in_store: Sequence[TopicDepth],
    on_broker: Sequence[TopicDepth],
    *,
    carries: bool,
) -> None:
    """What waits in the store to be carried is a state of its own."""
    QUEUE_DEPTH.clear()
    QUEUE_OLDEST_S.clear()
    for depth in in_store:
        waiting = "uncarried" if carries else "waiting"
        QUEUE_DEPTH.labels(depth.topic, waiting).set(depth.waiting)
        QUEUE_DEPTH.labels(depth.topic, "leased").set(depth.leased)
        QUEUE_DEPTH.labels(depth.topic, "dead").set(depth.dead)
        age = now - depth.oldest_at if depth.oldest_at else timedelta(0)
        QUEUE_OLDEST_S.labels(depth.topic).set(age.total_seconds())
    for depth in on_broker:
        QUEUE_DEPTH.labels(depth.topic, "waiting").set(depth.waiting)
        QUEUE_DEPTH.labels(depth.topic, "dead").inc(depth.dead)
