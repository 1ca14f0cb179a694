"""Who may speak to the model: a few slots, and a fair queue before them."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from tertulia.ports.chat_model import ModelUnavailableError

REMEMBERED: Final = 1024
"""Conversations whose last slot is remembered; the runtime itself finds the others' prefixes."""


class TooManyWaitingError(ModelUnavailableError):
    """Too many requests wait for the model."""

    code = "model_busy"


@dataclass(slots=True, eq=False)
class Ticket:
    """A place in the queue, then a slot. `ahead` counts those that go first."""

    conversation: str | None
    background: bool
    ahead: int = 0
    slot: int | None = None
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def moved(self) -> None:
        """Returns when `ahead` or `slot` has changed."""
        await self._moved.wait()
        self.seen()

    def seen(self) -> None:
        """Whoever asked knows the present place."""
        self._moved.clear()

    def move(self, ahead: int, slot: int | None) -> None:
        """Set both, and wake who waits for it."""
        if (ahead, slot) != (self.ahead, self.slot):
            self.ahead, self.slot = ahead, slot
            self._moved.set()


class Slots:
    """First come, first served; background requests after all others, and never in the last
    free slot of several. A conversation gets the slot it had, if that is free: its evaluated
    prompt is still there. Otherwise the slot that was used longest ago.

    Belongs to one event loop; nothing here waits or locks.
    """

    def __init__(self, count: int, *, waiting: int) -> None:
        self._free = list(range(count))
        self._count = count
        self._limit = waiting
        self.waiting: list[Ticket] = []
        """In the order in which they will be served."""
        self._background = 0
        self._last_slot: OrderedDict[str, int] = OrderedDict()

    @property
    def idle(self) -> bool:
        """Nobody holds a slot or waits for one."""
        return len(self._free) == self._count and not self.waiting

    def enter(self, conversation: str | None, *, background: bool = False) -> Ticket:
        """TooManyWaitingError when the queue is full."""
        ticket = Ticket(conversation, background)
        self.waiting.append(ticket)
        self._serve()
        ticket.seen()
        if ticket.slot is None and len(self.waiting) > self._limit:
            self.leave(ticket)
            raise TooManyWaitingError(waiting=self._limit)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give back the slot, or the place in the queue. Leaving twice is leaving once."""
        if ticket in self.waiting:
            self.waiting.remove(ticket)
        elif ticket.slot is not None:
            # The least recently used slot stays first.
            self._free.append(ticket.slot)
            self._background -= ticket.background
            ticket.slot = None
        self._serve()

    def _serve(self) -> None:
        in_turn = sorted(self.waiting, key=lambda ticket: ticket.background)
        self.waiting.clear()
        for ticket in in_turn:
            slot = self._slot_for(ticket)
            if slot is None:
                ticket.move(len(self.waiting), None)
                self.waiting.append(ticket)
            else:
                ticket.move(0, slot)

    def _slot_for(self, ticket: Ticket) -> int | None:
        if not self._free:
            return None
        if ticket.background:
            if self._background >= max(1, self._count - 1):
                return None
            self._background += 1
        known = self._last_slot.get(ticket.conversation) if ticket.conversation else None
        slot = known if known is not None and known in self._free else self._free[0]
        self._free.remove(slot)
        if ticket.conversation:
            self._last_slot[ticket.conversation] = slot
            self._last_slot.move_to_end(ticket.conversation)
            if len(self._last_slot) > REMEMBERED:
                self._last_slot.popitem(last=False)
        return slot
