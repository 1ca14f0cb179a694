"""Readers that cut their streams themselves, at random, and must miss nothing."""

import asyncio
import random
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from tests.e2e.api import Api, Message, Transport
from tests.e2e.echo_text import echoed
from tests.e2e.reading import Reading

TEXT: Final = "naïve 日本語 👩‍👩‍👧 line\nbreak \u2028 \u200d tab\tend"
CUTS: Final = 3
AT_ONCE: Final = 30


@dataclass(slots=True)
class Cutter:
    """Reads a reply's stream over connections that it cuts itself at random places."""

    api: Api
    chance: random.Random

    async def read(self, reply: Message, expected: str, transport: Transport) -> Reading:
        """The reading at the end. The last cuts may come when all has been read."""
        reading = Reading()
        for _ in range(CUTS):
            places = range(min(len(reading.text), len(expected)), len(expected) + 1)
            await self._until(reading, reply, transport, self.chance.choice(places))
            reading.broke()
        reading.end = None
        await self._until(reading, reply, transport, None)
        return reading

    async def _until(
        self, reading: Reading, reply: Message, transport: Transport, place: int | None
    ) -> None:
        async with self.api.stream(reply, reading.after, transport) as events:
            async for event in events:
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
