"""A reply's stream from any position: from memory while it is held, else from the store."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from tertulia.domain.messages import Message
from tertulia.domain.streams import Delta, End, Part, Position, Reset, Waiting
from tertulia.ports.signals import Signals
from tertulia.ports.store import Store, Tx
from tertulia.ports.token_stream import Parts, TokenStream

# Signals wake at once; this only bounds the wait should one be lost.
LOOK_AGAIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Ended:
    """The reply is in a final state."""

    at: Position
    message: Message


Step = Delta | Reset | Waiting | Ended

Look = Callable[[Tx], Message]
"""Reads the reply anew, with the rights of whoever follows it."""


@dataclass(frozen=True, slots=True)
class ReplyReader:
    """Follows replies to their end, over restarts of their stream and of this process."""

    store: Store
    signals: Signals
    streams: TokenStream

    async def follow(
        self, message: Message, after: Position | None, look: Look
    ) -> AsyncGenerator[Step, None]:
        """Every character after `after` once and in order, then Ended."""
        held = after
        async with self.signals.subscribe(f"reply:{message.id}") as subscription:
            while True:
                parts = await self.streams.read(message.id, held)
                silent = False
                if parts is not None:
                    try:
                        async with aclosing(parts):
                            while not isinstance(part := await _next(parts), End | None):
                                held = held if isinstance(part, Waiting) else part.at
                                yield part
                    except TimeoutError:
                        silent = True
                now = await self.store.read(look)
                step = stored_step(now, held)
                if step is not None:
                    held = step.at
                    yield step
                if now.status.is_final:
                    yield Ended(held or Position(now.epoch, 0), now)
                    return
                if (parts is None or step is None) and not silent:
                    await subscription.wait(LOOK_AGAIN_S)

    async def finished(self, message: Message, look: Look) -> Message:
        """The reply in its final state, as soon as it has one."""
        async with self.signals.subscribe(f"reply:{message.id}") as subscription:
            while True:
                now = await self.store.read(look)
                if now.status.is_final:
                    return now
                await subscription.wait(LOOK_AGAIN_S)


async def _next(parts: Parts) -> Part | None:
    """None at their end. TimeoutError when nothing is heard for long: whoever was to tell the end
    may have died between storing and telling it."""
    try:
        async with asyncio.timeout(LOOK_AGAIN_S):
            return await parts.__anext__()
    except StopAsyncIteration:
        return None


def stored_step(now: Message, held: Position | None) -> Delta | Reset | None:
    """What the store adds to a reader that holds `held`; None when nothing.

    A checkpoint may lie behind what was streamed: a reader that holds more of a running attempt
    waits for the store to catch up, and is reset only when the attempt is over.
    """
    end = Position(now.epoch, len(now.text))
    if held is None:
        return Delta(end, now.text) if now.text else None
    if held.epoch != now.epoch:
        return Reset(end, now.text)
    if held.offset < end.offset:
        return Delta(end, now.text[held.offset :])
    if held.offset > end.offset and now.status.is_final:
        return Reset(end, now.text)
    return None
