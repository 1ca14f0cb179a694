"""Clients that do what real ones do: keep their connections, and come back when told to."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, TypeVar
from uuid import UUID

import aiohttp
import msgspec

from tests.e2e.api import Api, Message, ProblemError, Transport, Turn
from tests.e2e.echo_text import echoed
from tests.e2e.reading import Reading, StreamBrokenError
from tests.e2e.sse import SseEvent
from tests.faults.rolling.account import Account
from tests.faults.rolling.sent import LAST

T = TypeVar("T")

AWAY: Final = (aiohttp.ClientError, TimeoutError, OSError)
AGAIN_S: Final = 0.1
TRANSPORTS: Final[tuple[Transport, Transport]] = ("sse", "websocket")

Events = AbstractAsyncContextManager[AsyncGenerator[SseEvent]]


class _Hint(msgspec.Struct, frozen=True):
    retry_ms: int


@dataclass(slots=True)
class Person:
    """Somebody with an account to keep. Every failed answer is noted; then he asks again."""

    api: Api
    account: Account
    chance: random.Random

    def uuid(self) -> str:
        return str(UUID(int=self.chance.getrandbits(128), version=4))

    async def ask(self, call: Callable[[], Awaitable[T]]) -> T:
        while True:
            self.account.requests += 1
            try:
                return await call()
            except ProblemError as problem:
                self.account.failures[f"{problem.status} {problem.code}"] += 1
                if problem.status < 500:
                    raise
            except AWAY as error:
                self.account.failures[f"{type(error).__name__} of {LAST.get()}"] += 1
            await asyncio.sleep(AGAIN_S)

    async def listen(self, connect: Callable[[], Events], take: Callable[[SseEvent], bool]) -> None:
        """Until `take` says that it was the last event, over any number of connections."""
        while True:
            self.account.requests += 1
            try:
                async with connect() as events:
                    pause_s = await self._hear(events, take)
            except ProblemError as problem:
                self.account.failures[f"{problem.status} {problem.code}"] += 1
                pause_s = AGAIN_S
            except AWAY as error:
                self.account.failures[f"{type(error).__name__} of {LAST.get()}, a stream"] += 1
                pause_s = AGAIN_S
            if pause_s is None:
                return
            await asyncio.sleep(pause_s)

    async def _hear(
        self, events: AsyncGenerator[SseEvent], take: Callable[[SseEvent], bool]
    ) -> float | None:
        """When to come back; None after the last event."""
        async for event in events:
            if event.event == "restarting":
                retry_ms = msgspec.json.decode(event.data, type=_Hint).retry_ms
                self.account.hinted += 1
                self.account.hints_ms[retry_ms] += 1
                return retry_ms / 1000
            if take(event):
                return None
        self.account.unhinted += 1
        return AGAIN_S


@dataclass(slots=True)
class FeedReader:
    """Holds the number of the last change; each must follow the one before."""

    person: Person
    transport: Transport
    seq: int
    until: int | None = None

    async def run(self) -> None:
        await self.person.listen(lambda: self.person.api.feed(self.seq, self.transport), self._take)

    def _take(self, event: SseEvent) -> bool:
        if event.event == "change":
            if int(event.id or 0) != self.seq + 1:
                what = f"change {event.id} came after {self.seq}"
                self.person.account.problems.append(what)
            self.seq = int(event.id or 0)
            self.person.account.changes += 1
        elif event.event == "resync":
            self.person.account.problems.append("a feed had to begin anew")
        return self.until is not None and self.seq >= self.until


@dataclass(slots=True)
class Talk:
    """A conversation: what was said in it, in order, and the replies as they were seen."""

    conversation_id: str
    said: list[str] = field(default_factory=list[str])
    seen: list[Message] = field(default_factory=list[Message])


@dataclass(slots=True)
class Talker:
    """Says something, reads the reply together with `others`, says the next thing."""

    person: Person
    others: Sequence[Person]
    tokens: int
    pace_ms: int
    pause_s: float
    talk: Talk
    over: asyncio.Event

    async def run(self) -> None:
        me, talk = self.person, self.talk
        await me.ask(lambda: me.api.create_conversation(talk.conversation_id))
        while not self.over.is_set():
            text = f"turn {len(talk.said) + 1} of {talk.conversation_id} · ñandú 日本語 👩‍👩‍👧"
            me.account.sends += 1
            talk.said.append(text)
            turn = await self._send(me.uuid(), text)
            async with asyncio.TaskGroup() as group:
                for number, reader in enumerate((me, *self.others)):
                    group.create_task(self._read(reader, turn.reply, TRANSPORTS[number % 2]))
            talk.seen.append(await me.ask(lambda turn=turn: me.api.message(turn.reply)))
            await asyncio.sleep(self.pause_s * me.chance.uniform(0.5, 1.5))

    async def _send(self, request_id: str, text: str) -> Turn:
        api, conversation_id = self.person.api, self.talk.conversation_id
        model = f"echo/{self.tokens}/{self.pace_ms}"
        return await self.person.ask(
            lambda: api.send_turn(conversation_id, request_id, text, model=model)
        )

    async def _read(self, reader: Person, reply: Message, transport: Transport) -> None:
        reading, account, connections = Reading(), reader.account, 0

        def connect() -> Events:
            nonlocal connections
            connections += 1
            return reader.api.stream(reply, reading.after, transport)

        def take(event: SseEvent) -> bool:
            reading.take(event)
            return reading.end is not None

        try:
            await reader.listen(connect, take)
        except StreamBrokenError as error:
            account.problems.append(f"{reply.id}: {error}")
        account.streams += 1
        account.resumed += connections - 1
        account.characters += len(reading.text)
        if reading.text != (expected := echoed(self.talk.said[-1], self.tokens)):
            account.problems.append(f"{reply.id}: read {reading.text!r} for {expected!r}")
