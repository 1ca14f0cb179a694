"""The simulation finds what is broken on purpose, within a bounded number of seeds."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from tertulia.adapters.sql.unit import Unit
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Message
from tertulia.ports.bus import Bus, Delivery, Handler, Retry
from tertulia.ports.store import MessageChange, MessageLog
from tests.simulation.simulate import simulate
from tests.simulation.weather import Climate
from tests.simulation.world import Mutations

SEEDS: Final = 200
FREEZING: Final = Climate(lossy=0.0, cutting=0.0, slow=0.0, freezing=0.012, crash_every_s=1e9)
"""Nothing is lost and nothing dies, but writers come back who were taken for dead. Often, because
what they had not begun has another epoch by then."""


class _Mutant:
    """Everything of the real thing but what a subclass replaces."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class _InboxOff(_Mutant):
    def accept(self, consumer: str, message_id: str) -> bool:
        self._real.accept(consumer, message_id)
        return True


class _RequestsForgotten(_Mutant):
    def outcome(self, *_: object) -> None:
        return None

    def record(self, *_: object) -> None:
        return None


class _EpochsIgnored(_Mutant):
    _real: MessageLog

    def change(
        self, conversation_id: ConversationId, message_id: MessageId, change: MessageChange
    ) -> Message:
        return self._real.change(conversation_id, message_id, replace(change, epoch=None))

    def checkpoint(
        self,
        conversation_id: ConversationId,
        reply_id: MessageId,
        *,
        epoch: int,
        offset: int,
        text: str,
    ) -> bool:
        reply = self._real.get(conversation_id, reply_id)
        if reply is not None and (not text or offset == len(reply.text)):
            return False
        return self._real.checkpoint(
            conversation_id, reply_id, epoch=epoch, offset=offset, text=text
        )


class _SettledFirst(_Mutant):
    """A message is done before its handler has done anything."""

    async def subscribe(
        self, topic: str, handler: Handler, *, concurrency: int, on_dead: Handler | None = None
    ) -> None:
        running: set[asyncio.Task[None]] = set()

        async def later(delivery: Delivery) -> None:
            while True:
                try:
                    await handler(delivery)
                except Retry as again:
                    await asyncio.sleep(again.delay_s)
                else:
                    return

        async def at_once(delivery: Delivery) -> None:
            running.add(asyncio.create_task(later(delivery)))

        await self._real.subscribe(topic, at_once, concurrency=concurrency, on_dead=on_dead)


def _unit(part: str, mutant: Callable[[Any], Any]) -> Mutations:
    def twist(unit: Unit) -> None:
        setattr(unit, part, mutant(getattr(unit, part)))

    return Mutations(unit=twist)


def _bus(real: Bus) -> Any:
    return _SettledFirst(real)


@pytest.mark.parametrize(
    ("mutations", "climate", "promise"),
    [
        pytest.param(_unit("inbox", _InboxOff), None, "one effect", id="inbox off"),
        pytest.param(_unit("requests", _RequestsForgotten), None, "Reused", id="ids forgotten"),
        pytest.param(
            _unit("messages", _EpochsIgnored), FREEZING, "told stays|ends once", id="epochs off"
        ),
        pytest.param(Mutations(bus=_bus), None, "everything heals", id="settled before the commit"),
    ],
)
def test_what_is_broken_is_found(
    mutations: Mutations, climate: Climate | None, promise: str
) -> None:
    found = (simulate(n, mutations=mutations, climate=climate).failure for n in range(SEEDS))
    assert any(re.search(promise, failure) for failure in found)
