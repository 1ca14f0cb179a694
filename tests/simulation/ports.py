"""The real ports as one process reaches them: late, in vain, or without hearing the answer.

What is lost is lost in the ways that the ports' contracts allow; anything else would find faults
that cannot happen.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from random import Random
from typing import Final, TypeVar

from tertulia.adapters.echo.model import EchoModel
from tertulia.adapters.memory.leases import MemoryLeases
from tertulia.adapters.memory.recent_turns import MemoryRecentTurns
from tertulia.adapters.memory.signals import MemorySignals, MemorySubscription
from tertulia.adapters.memory.token_stream import MemoryTokenStream
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Status
from tertulia.domain.streams import Part, Position
from tertulia.ports.chat_model import (
    ChatRequest,
    Chunk,
    ModelCutError,
    ModelInfo,
    ModelUnavailableError,
    Text,
)
from tertulia.ports.leases import LeasesUnavailableError, Member
from tertulia.ports.recent_turns import RecentMessage
from tertulia.ports.store import OutcomeUnknownError, StoreUnavailableError, Tx
from tertulia.ports.token_stream import Parts
from tests.simulation.database import InlineStore
from tests.simulation.lives import Life
from tests.simulation.weather import Weather

T = TypeVar("T")

NOTICED_S: Final = 5.0
"""How long a stream that has missed something may look whole to its readers: an adapter looks
again that often."""
MODEL_FAILS: Final = 0.03


class Way:
    """From one life of a process to the ports."""

    def __init__(self, life: Life, weather: Weather) -> None:
        self.life: Final = life
        self.weather: Final = weather

    def note(self, what: str) -> None:
        """For the trace."""
        self.weather.trace.note(self.life.name, what)

    async def hop(self) -> None:
        """One way through the network; the process may die meanwhile."""
        self.life.check()
        await asyncio.sleep(self.weather.latency_s(self.life.name))
        self.life.check()

    async def reaches(self, port: str) -> bool:
        await self.hop()
        return not (self.weather.cut(self.life.name, port) or self.weather.loses())


class FarStore:
    """Store. A commit may happen while its answer is lost."""

    def __init__(self, way: Way, store: InlineStore) -> None:
        self._way = way
        self._store = store

    async def write(self, work: Callable[[Tx], T]) -> T:
        """See the port."""
        if not await self._way.reaches("store"):
            raise StoreUnavailableError
        result = self._store.write(work)
        self._way.note("commits")
        await self._way.hop()
        if self._way.weather.loses():
            raise OutcomeUnknownError
        return result

    async def read(self, work: Callable[[Tx], T], *, brief: bool = False) -> T:
        """See the port."""
        del brief
        if not await self._way.reaches("store"):
            raise StoreUnavailableError
        result = self._store.read(work)
        await self._way.hop()
        return result


class Hub:
    """Carries signals between processes; those that are lost are not told again."""

    def __init__(self, weather: Weather) -> None:
        self._weather = weather
        self._listening: dict[Life, MemorySignals] = {}

    def join(self, life: Life, local: MemorySignals) -> None:
        for dead in [known for known in self._listening if not known.alive]:
            del self._listening[dead]
        self._listening[life] = local

    def publish(self, sender: Life, channels: frozenset[str]) -> None:
        loop = asyncio.get_running_loop()
        for channel in sorted(channels):
            for life, local in self._listening.items():
                if life is sender:
                    local.publish(frozenset({channel}))
                elif not (self._weather.loses() or self._weather.cut(life.name, "signals")):
                    loop.call_later(
                        self._weather.latency_s(life.name), local.publish, frozenset({channel})
                    )


class FarSignals:
    """Signals: at once within the process, late or lost to others."""

    def __init__(self, way: Way, hub: Hub) -> None:
        self._way = way
        self._hub = hub
        self._local = MemorySignals()
        hub.join(way.life, self._local)

    def publish(self, channels: frozenset[str]) -> None:
        """See the port."""
        self._hub.publish(self._way.life, channels)

    def subscribe(self, *channels: str) -> AbstractAsyncContextManager[MemorySubscription]:
        """See the port."""
        return self._local.subscribe(*channels)


class FarLeases:
    """Leases that cannot always be reached."""

    def __init__(self, way: Way, shared: MemoryLeases) -> None:
        self._way = way
        self._shared = shared

    async def claim(self, group: str, name: str, *, capacity: int, ttl_s: float) -> int | None:
        """See the port."""
        await self._reach()
        fence = await self._shared.claim(group, name, capacity=capacity, ttl_s=ttl_s)
        await self._back()
        return fence

    async def renew(
        self, group: str, name: str, fence: int, *, ttl_s: float, load: int = 0
    ) -> bool:
        """See the port."""
        await self._reach()
        held = await self._shared.renew(group, name, fence, ttl_s=ttl_s, load=load)
        await self._back()
        return held

    async def release(self, group: str, name: str, fence: int) -> None:
        """See the port."""
        await self._reach()
        await self._shared.release(group, name, fence)

    async def members(self, group: str) -> Sequence[Member]:
        """See the port."""
        await self._reach()
        return await self._shared.members(group)

    async def _reach(self) -> None:
        if not await self._way.reaches("leases"):
            raise LeasesUnavailableError

    async def _back(self) -> None:
        await self._way.hop()
        if self._way.weather.loses():
            raise LeasesUnavailableError


class FarRecent:
    """RecentTurns: what cannot be reached holds nothing."""

    def __init__(self, way: Way, shared: MemoryRecentTurns) -> None:
        self._way = way
        self._shared = shared

    async def get(
        self, conversation_id: ConversationId, leaf_id: MessageId
    ) -> tuple[RecentMessage, ...] | None:
        """See the port."""
        if not await self._way.reaches("recent"):
            return None
        return await self._shared.get(conversation_id, leaf_id)

    async def put(
        self, conversation_id: ConversationId, messages: tuple[RecentMessage, ...]
    ) -> None:
        """See the port."""
        if await self._way.reaches("recent"):
            await self._shared.put(conversation_id, messages)

    async def forget(self, conversation_id: ConversationId) -> None:
        """See the port."""
        await self._way.hop()
        await self._shared.forget(conversation_id)

    async def size_bytes(self) -> int:
        """See the port."""
        return await self._shared.size_bytes()


class FarStream:
    """TokenStream. What is lost breaks the stream: until that is noticed readers wait, then they
    are sent to the store."""

    def __init__(self, way: Way, shared: MemoryTokenStream) -> None:
        self._way = way
        self._shared = shared

    async def begin(self, reply_id: MessageId, epoch: int, text: str, *, first: int = 0) -> None:
        """See the port."""
        if await self._reaches(reply_id):
            await self._shared.begin(reply_id, epoch, text, first=first)

    async def wait(self, reply_id: MessageId, epoch: int, ahead: int) -> None:
        """See the port."""
        if await self._reaches(reply_id):
            await self._shared.wait(reply_id, epoch, ahead)

    async def append(self, reply_id: MessageId, at: Position, text: str) -> None:
        """See the port."""
        if await self._reaches(reply_id):
            await self._shared.append(reply_id, at, text)

    async def end(self, reply_id: MessageId, epoch: int, status: Status) -> None:
        """See the port."""
        if await self._reaches(reply_id):
            await self._shared.end(reply_id, epoch, status)

    async def forget(self, reply_id: MessageId) -> None:
        """See the port."""
        await self._way.hop()
        await self._shared.forget(reply_id)

    async def read(self, reply_id: MessageId, after: Position | None) -> "_FarParts | None":
        """See the port."""
        if not await self._way.reaches("stream"):
            return None
        parts = await self._shared.read(reply_id, after)
        return None if parts is None else _FarParts(self._way, parts)

    async def _reaches(self, reply_id: MessageId) -> bool:
        if await self._way.reaches("stream"):
            return True
        await_s = self._way.weather.dice.uniform(0, NOTICED_S)
        asyncio.get_running_loop().call_later(await_s, self._break, reply_id)
        return False

    def _break(self, reply_id: MessageId) -> None:
        """The writer tells what was missed once it can, if it lives; a call to memory waits for
        nothing, so one step does it."""
        if not self._way.life.alive:
            return
        step = self._shared.forget(reply_id)
        try:
            step.send(None)
        except StopIteration:
            return


class _FarParts:
    """Parts that end early now and then."""

    def __init__(self, way: Way, parts: Parts) -> None:
        self._way = way
        self._parts = parts

    def __aiter__(self) -> "_FarParts":
        return self

    async def __anext__(self) -> Part:
        part = await self._parts.__anext__()
        await self._way.hop()
        if self._way.weather.loses():
            await self.aclose()
            raise StopAsyncIteration
        return part

    async def aclose(self) -> None:
        await self._parts.aclose()


class ShakyModel:
    """ChatModel that cannot be reached or breaks off now and then."""

    def __init__(self, way: Way, model: EchoModel, dice: Random) -> None:
        self._way = way
        self._model = model
        self._dice = dice

    async def models(self) -> Sequence[ModelInfo]:
        """See the port."""
        await self._way.hop()
        return await self._model.models()

    async def count_tokens(self, model: str, texts: Sequence[str]) -> Sequence[int]:
        """See the port."""
        await self._way.hop()
        return await self._model.count_tokens(model, texts)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        """See the port."""
        await self._way.hop()
        if self._fails(MODEL_FAILS):
            raise ModelUnavailableError
        async with aclosing(self._model.stream(_last_only(request))) as chunks:
            async for chunk in chunks:
                yield chunk
                if isinstance(chunk, Text) and self._fails(MODEL_FAILS / 10):
                    raise ModelCutError

    def _fails(self, chance: float) -> bool:
        return self._way.weather.bad and self._dice.random() < chance


def _last_only(request: ChatRequest) -> ChatRequest:
    """Messages that got no reply are one prompt with the next; what is echoed is the last one."""
    messages = tuple(
        replace(message, content=message.content.rpartition("\n\n")[2])
        if message.role == "user"
        else message
        for message in request.messages
    )
    return replace(request, messages=messages)
