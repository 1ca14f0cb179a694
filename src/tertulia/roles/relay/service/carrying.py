"""From the outbox to the broker."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from tertulia.kit.crash_points import crash_point
from tertulia.kit.metrics import RELAY_CARRIED
from tertulia.kit.tasks import beside, uninterrupted
from tertulia.ports.bus import Carrier
from tertulia.ports.store import QueuedMessage, StorageFullError, Store, StoreUnavailableError, Tx
from tertulia.roles.relay.settings import RelaySettings

LEASE: Final = timedelta(seconds=5)  # with `look_s`: what a relay that was killed holds up
RENEW_S: Final = LEASE.total_seconds() / 3

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Carried:
    """A batch, and the ids in it that the broker has confirmed."""

    batch: Sequence[QueuedMessage]
    confirmed: frozenset[str]


NOTHING: Final = _Carried(batch=(), confirmed=frozenset())


async def carry_due(store: Store, carrier: Carrier, settings: RelaySettings) -> int:
    """Carry until nothing is due; returns how many were confirmed.

    A row is settled when the broker has confirmed it, and its key's next row is taken only then.
    Raises BusUnavailableError, and what the store raises; whatever was taken is due again then,
    at the latest when its lease runs out.
    """
    carried = 0
    batch = await _exchange(store, NOTHING, settings)
    while batch:
        try:
            async with beside(_hold(store, batch)):
                confirmed = await carrier.carry(batch)
        except BaseException:
            failed = _Carried(batch=batch, confirmed=frozenset())
            await uninterrupted(store.write(lambda tx, of=failed: _settle(tx, of, timedelta(0))))
            raise
        crash_point("relay.after_carry")
        carried += len(confirmed)
        RELAY_CARRIED.labels("confirmed").inc(len(confirmed))
        batch = await _exchange(store, _Carried(batch=batch, confirmed=confirmed), settings)
    return carried


async def _hold(store: Store, batch: Sequence[QueuedMessage]) -> None:
    """For as long as the broker takes to confirm."""

    def renew(tx: Tx) -> None:
        for message in batch:
            tx.queue.extend(message.id, message.fence, lease=LEASE)

    while True:
        await asyncio.sleep(RENEW_S)
        try:
            await store.write(renew)
        except (StoreUnavailableError, StorageFullError) as error:
            log.warning("rows not held", error=error.code)  # at worst they are carried twice


async def _exchange(
    store: Store, carried: _Carried, settings: RelaySettings
) -> Sequence[QueuedMessage]:
    """One unit of work: settle what was carried, take what is due."""
    refused = len(carried.batch) - len(carried.confirmed)
    if refused:
        RELAY_CARRIED.labels("refused").inc(refused)
        log.warning("broker refused messages", messages=refused)

    def work(tx: Tx) -> Sequence[QueuedMessage]:
        _settle(tx, carried, timedelta(seconds=settings.refused_s))
        return tx.queue.take_any(limit=settings.batch, lease=LEASE)

    return await store.write(work)


def _settle(tx: Tx, carried: _Carried, delay: timedelta) -> None:
    for message in carried.batch:
        if message.id in carried.confirmed:
            tx.queue.settle(message.id, message.fence, "done")
        else:
            tx.queue.settle(message.id, message.fence, "retry", delay=delay, counted=False)
