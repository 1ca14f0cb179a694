"""Lanes: what a consumer of a broker does with a share that it loses."""

import asyncio
import random
from datetime import UTC, datetime
from typing import Final

from tertulia.adapters.broker_bus.envelope import sealed
from tertulia.adapters.broker_bus.lanes import Lanes
from tertulia.adapters.broker_bus.settings import BusSettings
from tertulia.domain.event_bodies import encoded
from tertulia.kit.clock import SystemClock
from tertulia.ports.broker import Letter
from tertulia.ports.bus import BusUnavailableError, Delivery
from tertulia.ports.bus_judge import Judge
from tertulia.ports.store import QueuedMessage
from tests.ports.stores import turn_requested

PATIENCE_S: Final = 20.0  # only ends a test that would hang


class LostHold:
    """A parcel whose connection is gone."""

    share = "0"
    returns = 0

    def __init__(self) -> None:
        event = turn_requested()
        row = QueuedMessage(
            id="m",
            topic="turns",
            key="k",
            kind=event.kind,
            version=event.version,
            body=encoded(event),
            fence=1,
            attempts=1,
            created_at=datetime.now(UTC),
        )
        self.data: Final = sealed(row).data

    async def done(self) -> None:
        raise BusUnavailableError

    async def bury(self, letter: Letter) -> None:
        raise BusUnavailableError(letter.reason)


async def test_a_handler_that_ends_in_order_does_not_hold_a_lost_share() -> None:
    """As a worker that brings a reply to its end when it is told to leave."""
    begun = asyncio.Event()

    async def in_order(_: Delivery) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    dice = random.Random(0)  # noqa: S311  no secret
    judge = Judge(in_order, None, BusSettings(), dice)
    lanes = Lanes("turns", judge, SystemClock(), concurrency=1, returns=3)
    lanes.take(LostHold())
    await begun.wait()
    given_up = asyncio.create_task(lanes.give_up("0"))
    done, _ = await asyncio.wait({given_up}, timeout=PATIENCE_S)
    assert done
