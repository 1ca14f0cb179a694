"""Signals across processes that share a database of PostgreSQL: LISTEN and NOTIFY.

A NOTIFY in a transaction would make all of them commit one after another, so signals go out by a
connection of their own, after the commit, as many as there are in one message. They are spread over
channels, and a process listens to those that somebody waits for there.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import psycopg
import structlog

from tertulia.adapters.sql.postgres_hearing import ANSWER_S, CHANNEL, Connection, Hearing, shard
from tertulia.adapters.sql.postgres_open import Place
from tertulia.kit.ids import new_id
from tertulia.ports.signals import Signals, Subscription, for_others

PAYLOAD_BYTES: Final = 7900  # PostgreSQL takes less than 8000
TOGETHER_S: Final = 0.005  # what is signalled meanwhile goes out in one message
EVERYTHING: Final = "*"
"""In place of more channels than are worth naming: everybody looks."""
MOST_NAMED: Final = 2000
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0

_NOTIFY: Final = "SELECT pg_notify(n, t) FROM unnest(%s::text[], %s::text[]) AS m(n, t)"

TROUBLE: Final = (psycopg.Error, OSError, TimeoutError)

log = structlog.stdlib.get_logger(__name__)


class PostgresSignals:
    """Signals (ports) over those within the process. While the database is away, processes hear
    only themselves; when it is back, all who wait look once."""

    def __init__(self, place: Place, within: Signals) -> None:
        self._place = place
        self._within = within
        self._me = new_id()
        self._lock = threading.Lock()
        self._pending: set[str] = set()
        self._due = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._waited_for: Counter[str] = Counter()
        self._hearing = Hearing()
        self.listening: Final = asyncio.Event()

    def publish(self, channels: frozenset[str]) -> None:
        """See the port."""
        self._within.publish(channels)
        told = for_others(channels, self._waited_for)
        with self._lock:
            first = not self._pending
            self._pending |= told
            if len(self._pending) > MOST_NAMED:
                self._pending = {EVERYTHING}
        if told and first and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._due.set)

    def subscribe(self, *channels: str) -> AbstractAsyncContextManager[Subscription]:
        """See the port."""
        return self._subscribed(channels)

    @asynccontextmanager
    async def _subscribed(self, channels: tuple[str, ...]) -> AsyncGenerator[Subscription]:
        shards = [shard(channel) for channel in channels]
        async with self._within.subscribe(*channels) as subscription:
            self._waited_for.update(channels)
            try:
                await self._hearing.want(shards)
                yield subscription
            finally:
                self._hearing.leave(shards)
                for channel in channels:
                    self._waited_for[channel] -= 1
                    if not self._waited_for[channel]:
                        del self._waited_for[channel]

    async def send(self) -> None:
        """Tell the others, until cancelled."""
        await self._for_ever(self._sending)

    async def listen(self) -> None:
        """Hear the others, until cancelled."""
        await self._for_ever(self._listening)

    async def _for_ever(self, use: Callable[[Connection, Callable[[], None]], Awaitable[None]]):
        pause_s = FIRST_PAUSE_S

        def succeeded() -> None:
            nonlocal pause_s
            pause_s = FIRST_PAUSE_S

        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._place.conninfo, autocommit=True
                ) as connection:
                    await use(connection, succeeded)
            except TROUBLE as error:
                log.warning("signals interrupted", error=type(error).__name__)
            self.listening.clear()
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _sending(self, connection: Connection, succeeded: Callable[[], None]) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            with self._lock:
                channels, self._pending = self._pending, set()
            if not channels:
                continue
            names, texts = zip(*messages(self._me, channels), strict=True)
            async with asyncio.timeout(ANSWER_S):
                await connection.execute(_NOTIFY, (list(names), list(texts)))
            succeeded()
            await asyncio.sleep(TOGETHER_S)

    async def _listening(self, connection: Connection, succeeded: Callable[[], None]) -> None:
        def begin() -> None:
            self._within.publish(frozenset(self._waited_for))  # what came meanwhile was not heard
            succeeded()
            self.listening.set()

        await self._hearing.serve(connection, begin, self._hear)

    def _hear(self, payload: str) -> None:
        sender, *channels = payload.split(" ")
        if sender != self._me:
            everything = channels == [EVERYTHING]
            self._within.publish(frozenset(self._waited_for if everything else channels))


def messages(sender: str, channels: set[str]) -> Iterator[tuple[str, str]]:
    """What goes over which channel of the database."""
    if EVERYTHING in channels:
        yield CHANNEL, f"{sender} {EVERYTHING}"
        return
    shards: dict[str, set[str]] = {}
    for channel in channels:
        shards.setdefault(shard(channel), set()).add(channel)
    for name, of_shard in sorted(shards.items()):
        for payload in payloads(sender, of_shard):
            yield name, payload


def payloads(sender: str, channels: set[str]) -> Iterator[str]:
    """As few as hold all channels."""
    payload = sender
    for channel in sorted(channels):
        if len(payload.encode()) + len(channel.encode()) >= PAYLOAD_BYTES:
            yield payload
            payload = sender
        payload += f" {channel}"
    if payload != sender:
        yield payload


@asynccontextmanager
async def open_postgres_signals(place: Place, within: Signals) -> AsyncGenerator[PostgresSignals]:
    """`within` serves this process, and what it hears of the others."""
    signals = PostgresSignals(place, within)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(signals.send()), tasks.create_task(signals.listen())]
        try:
            yield signals
        finally:
            for task in running:
                task.cancel()
