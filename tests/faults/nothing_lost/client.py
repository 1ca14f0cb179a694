"""A careful client: it retries with the same id until it is answered, and resumes its streams."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

import aiohttp
import msgspec

from tests.e2e.api import Api, Message, ProblemError, Transport, Turn
from tests.e2e.reading import Reading, StreamBrokenError
from tests.faults.nothing_lost.ledger import Budget, Ledger, SentTurn

T = TypeVar("T")

RETRY_S: Final = 0.05
PASSING: Final = frozenset({429, 503})
GONE: Final = 404
AWAY: Final = (aiohttp.ClientError, TimeoutError, OSError)
MODELS: Final = ("echo/8/2", "echo/8/2", "echo/120/5")
"""Two short replies to one of 0.6 s, which a kill can cut between two checkpoints."""
TEXTS: Final = ("good morning", "¿qué tal? ñandú", "日本語のテキスト", "emoji 👩‍👩‍👧 and e\u0301")


@dataclass(slots=True)
class Client:
    """One conversation, one turn after the other, in different manners."""

    api: Api
    ledger: Ledger
    budget: Budget
    chance: random.Random

    async def run(self) -> None:
        """Talk until the budget is used up; now and then in a new conversation."""
        conversation_id = await self._begin()
        while self.budget.take() is not None:
            if self.chance.random() < 0.04:
                if self.chance.random() < 0.3:
                    await self._erase(conversation_id)
                conversation_id = await self._begin()
            sent = self._next(conversation_id)
            self.ledger.sent[conversation_id].append(sent)
            await self._turn(sent)
            sent.over.set()
            self.ledger.finished += 1

    async def _begin(self) -> str:
        conversation_id = self._uuid()
        await persist(lambda: self.api.create_conversation(conversation_id))
        self.ledger.sent[conversation_id] = []
        return conversation_id

    async def _erase(self, conversation_id: str) -> None:
        """It is held to the account as it was before."""
        self.ledger.erased[conversation_id] = await persist(
            lambda: self.api.messages(conversation_id)
        )
        attempts = 0

        async def once() -> None:
            nonlocal attempts
            attempts += 1
            try:
                await self.api.erase_conversation(conversation_id)
            except ProblemError as problem:
                if problem.status != GONE or attempts == 1:
                    raise

        await persist(once)

    def _next(self, conversation_id: str) -> SentTurn:
        before = self.ledger.sent[conversation_id]
        text = f"{self.chance.choice(TEXTS)} · {conversation_id} turn {len(before) + 1}"
        unanswered = before and before[-1].last_seen and not before[-1].last_seen.text
        return SentTurn(
            conversation_id=conversation_id,
            request_id=self._uuid(),
            text=text,
            said=f"{before[-1].said}\n\n{text}" if unanswered else text,
            model=self.chance.choice(MODELS),
        )

    async def _turn(self, sent: SentTurn) -> None:
        turn = await self._send(sent)
        sent.turn = turn
        self.ledger.acknowledge()
        sent.last_seen = await self._follow(sent, turn.reply)
        while sent.last_seen.status == "interrupted" and self.chance.random() < 0.5:
            sent.continued += 1
            sent.last_seen = await self._continue(sent, sent.last_seen)

    async def _send(self, sent: SentTurn) -> Turn:
        async def once() -> Turn:
            sent.attempts += 1
            return await self.api.send_turn(
                sent.conversation_id, sent.request_id, sent.text, model=sent.model
            )

        if self.chance.random() < 0.8:
            return await persist(once)
        one, other = await asyncio.gather(persist(once), persist(once))
        if (one.message.id, one.reply.id) != (other.message.id, other.reply.id):
            self.ledger.problems.append(f"{sent.text}: a concurrent retry got another answer")
        return one

    async def _follow(self, sent: SentTurn, reply: Message) -> Message:
        """The reply in its final state, by a stream or by asking now and then."""
        if self.chance.random() < 0.1:
            return await self._poll(reply)
        if self.chance.random() < 0.05:
            sent.stopped = True
            await persist(lambda: self.api.act(reply, "stop"))
        transport: Transport = "sse" if self.chance.random() < 0.5 else "websocket"
        try:
            return await read_to_end(self.api, reply, sent.reading, transport)
        except StreamBrokenError as error:
            self.ledger.problems.append(f"{sent.text}: {error}")
            return await self._poll(reply)

    async def _continue(self, sent: SentTurn, reply: Message) -> Message:
        request_id = self._uuid()
        await persist(lambda: self.api.act(reply, "continue", {"id": request_id}))
        sent.reading.end = None
        return await self._follow(sent, reply)

    async def _poll(self, reply: Message) -> Message:
        while True:
            now = await persist(lambda: self.api.message(reply))
            if now.is_final:
                return now
            await asyncio.sleep(RETRY_S)

    def _uuid(self) -> str:
        return str(UUID(int=self.chance.getrandbits(128), version=4))


async def persist(call: Callable[[], Awaitable[T]]) -> T:
    """Call until answered; errors that a retry cannot mend pass."""
    while True:
        try:
            return await call()
        except ProblemError as problem:
            if problem.status not in PASSING:
                raise
        except (*AWAY, msgspec.DecodeError):
            pass
        await asyncio.sleep(RETRY_S)


async def read_to_end(api: Api, reply: Message, reading: Reading, transport: Transport) -> Message:
    """Follow a reply over crashes until its end."""
    while reading.end is None:
        try:
            async with api.stream(reply, reading.after, transport) as events:
                async for event in events:
                    reading.take(event)
                    if reading.end is not None:
                        return reading.end
        except ProblemError as problem:
            if problem.status not in PASSING:
                raise
        except AWAY:
            pass
        reading.broke()
        await asyncio.sleep(RETRY_S)
    return reading.end
