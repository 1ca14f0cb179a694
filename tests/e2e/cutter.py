"""Readers that cut their streams themselves, at random, and must miss nothing."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from tests.e2e.api import Api, Message, Transport
from tests.e2e.echo_text import echoed
from tests.e2e.reading import Reading
from tests.e2e.sse import SseEvent

TEXT: Final = "naïve 日本語 👩‍👩‍👧 line\nbreak \u2028 \u200d tab\tend"
CUTS: Final = 3
AT_ONCE: Final = 30

Stream = AbstractAsyncContextManager[AsyncGenerator[SseEvent]]


@dataclass(slots=True)
class Cutter:
    """Reads a reply's stream over connections that it cuts itself at random places; where the
    product has several doors, each connection is another's."""

    api: Api
    chance: random.Random
    resumed_s: list[float] = field(default_factory=list[float])
    """From asking for the rest of a reply to the first of it, for each time."""

    async def read(self, reply: Message, expected: str, transport: Transport) -> Reading:
        """The reading at the end. The last cuts may come when all has been read."""
        reading, api = Reading(), self.api.apart()
        for _ in range(CUTS):
            places = range(min(len(reading.text), len(expected)), len(expected) + 1)
            place = self.chance.choice(places)
            await self._until(reading, api.stream(reply, reading.after, transport), place)
            reading.broke()
        reading.end = None
        await self._until(reading, api.stream(reply, reading.after, transport), None)
        return reading

    async def _until(self, reading: Reading, stream: Stream, place: int | None) -> None:
        asked, is_new = time.monotonic(), reading.position is not None
        async with stream as events:
            async for event in events:
                if is_new:
                    self.resumed_s.append(time.monotonic() - asked)
                    is_new = False
                reading.take(event)
                if place is not None and len(reading.text) >= place:
                    return
                if reading.end is not None:
                    return


async def begin(api: Api, model: str, text: str = TEXT) -> Message:
    conversation = await api.create_conversation(str(uuid4()))
    return (await api.send_turn(conversation.id, str(uuid4()), text, model=model)).reply


async def resume_byte_for_byte(api: Api, transport: Transport, streams: int) -> None:
    """So many replies, each read over connections that are cut `CUTS` times."""
    room = asyncio.Semaphore(AT_ONCE)
    expected = echoed(TEXT, 40)

    async def one(seed: int) -> None:
        async with room:
            reply = await begin(api, "echo/40/3")
            cutter = Cutter(api, random.Random(seed))  # noqa: S311
            reading = await cutter.read(reply, expected, transport)
            stored = await api.message(reply)
            assert reading.text.encode() == (stored.text or "").encode() == expected.encode()
            assert reading.resets == 0

    async with asyncio.TaskGroup() as group:
        for seed in range(streams):
            group.create_task(one(seed))
