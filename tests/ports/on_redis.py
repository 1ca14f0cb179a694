"""Redis for the conformance suites: adapters that stand for two processes of an installation."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from itertools import cycle
from typing import Any, Self, cast

import pytest

from tertulia.adapters.keyfile import MemoryVault
from tertulia.adapters.memory.rate_limiter import MemoryRateLimiter
from tertulia.adapters.memory.signals import MemorySignals
from tertulia.adapters.memory.token_stream import MemoryTokenStream
from tertulia.adapters.redis.leases import RedisLeases
from tertulia.adapters.redis.link import Link, open_link
from tertulia.adapters.redis.rate_limiter import RedisRateLimiter
from tertulia.adapters.redis.recent_turns import RedisRecentTurns
from tertulia.adapters.redis.seals import Seals
from tertulia.adapters.redis.settings import RedisSettings
from tertulia.adapters.redis.signals import RedisSignals, open_signals
from tertulia.adapters.redis.token_stream import RedisTokenStream, open_token_stream
from tertulia.ports.key_vault import KeyVault
from tests.ports.stores import HandClock
from tests.servers.redis import Redis


def server(request: pytest.FixtureRequest) -> Redis:
    """The test's own server."""
    return cast("Redis", request.getfixturevalue("redis"))


class Client:
    """Past the adapters: to look at what is there, and to take it away."""

    def __init__(self, server: Redis) -> None:
        import redis

        self._redis = redis.Redis(host=server.place.address, port=server.port)

    def __call__(self, *command: str | bytes | int) -> Any:
        return cast("Any", self._redis).execute_command(*command)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._redis.close()


class AgeingClock(HandClock):
    """Redis' clock cannot be turned, so what is in it is made older instead."""

    def __init__(self, server: Redis) -> None:
        super().__init__()
        self._server = server

    def pass_time(self, duration: timedelta) -> None:
        super().pass_time(duration)
        with Client(self._server) as redis:
            for key in redis("KEYS", "*"):
                left_ms = redis("PTTL", key)
                if left_ms >= 0:
                    redis("PEXPIRE", key, max(left_ms - round(duration.total_seconds() * 1000), 0))


class Process:
    """What one process of an installation opens over Redis."""

    def __init__(
        self, stack: AsyncExitStack, link: Link, vault: KeyVault, clock: HandClock
    ) -> None:
        self._stack = stack
        self.link = link
        self.clock = clock
        self.seals = Seals(vault, clock)

    def leases(self) -> RedisLeases:
        return RedisLeases(self.link, self.clock)

    def limiter(self) -> RedisRateLimiter:
        return RedisRateLimiter(self.link, MemoryRateLimiter())

    async def signals(self) -> RedisSignals:
        return await self._stack.enter_async_context(open_signals(self.link, MemorySignals()))

    def recent_turns(
        self, max_bytes: int = 10**6, max_messages: int = 10, kept_s: float = 3600
    ) -> RedisRecentTurns:
        return RedisRecentTurns(
            self.link, self.seals, max_bytes=max_bytes, max_messages=max_messages, kept_s=kept_s
        )

    async def stream(self, max_bytes: int = 1 << 20) -> RedisTokenStream:
        local = MemoryTokenStream(self.clock, max_bytes=max_bytes, kept_s=60)
        return await self._stack.enter_async_context(
            open_token_stream(self.link, self.seals, local, max_bytes=max_bytes, kept_s=60)
        )


@asynccontextmanager
async def processes(
    server: Redis, count: int, clock: HandClock | None = None
) -> AsyncGenerator[list[Process]]:
    """Several processes over one server, with one master key."""
    vault, clock = MemoryVault(), clock or HandClock()
    async with AsyncExitStack() as stack:
        opened: list[Process] = []
        for _ in range(count):
            link = await stack.enter_async_context(open_link(RedisSettings(url=server.url)))
            opened.append(Process(stack, link, vault, clock))
            assert await link.trouble() is None
            await heard(link)
        yield opened


async def heard(link: Link) -> None:
    """Returns once all that others publish from now on arrives: who listened before is told that
    it may have missed something."""
    told = asyncio.Event()

    async def on_message(_: bytes | None) -> None:
        told.set()

    if not await link.hearing.listen("suite", on_message):
        await told.wait()
    link.hearing.leave("suite", on_message)


class InTurn:
    """Every call goes to the next process."""

    def __init__(self, opened: Sequence[object]) -> None:
        self._next = cycle(opened)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(next(self._next), name)


class OverThere:
    """A token stream that is written in one process and read in another."""

    def __init__(self, writer: RedisTokenStream, reader: RedisTokenStream) -> None:
        self._writer = writer
        self._reader = reader
        self.begin = writer.begin
        self.wait = writer.wait
        self.append = writer.append
        self.end = writer.end
        self.forget = writer.forget
        self.read = reader.read
