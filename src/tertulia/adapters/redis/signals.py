"""Signals that reach every process: those of this one at once, the others through Redis."""

import asyncio
import secrets
import threading
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Final

from tertulia.adapters.redis.hearing import Listener
from tertulia.adapters.redis.line import RedisTroubleError, Script
from tertulia.adapters.redis.link import Link
from tertulia.kit.tasks import beside
from tertulia.ports.signals import Signals, Subscription, for_others

MOST_OWED: Final = 10_000  # channels; whoever listens there looks now and then by itself
AGAIN_S: Final = 1.0

_PUBLISH: Final = Script("""
for index = 3, #ARGV do
  redis.call('PUBLISH', ARGV[1] .. ARGV[index], ARGV[2])
end
""")


class RedisSignals:
    """Signals of other processes are given to `local`, which wakes the waiters of this one.

    What is published while Redis is away is kept, each channel once, and published when it is
    back; then everybody who listens is woken too, for what others could not tell.
    """

    def __init__(self, link: Link, local: Signals) -> None:
        self._link = link
        self._local = local
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._owed: dict[str, None] = {}  # an ordered set
        self._due = asyncio.Event()
        self._listened_to: Counter[str] = Counter()
        self._origin = secrets.token_bytes(8)
        self._prefix = link.key("signals", "")
        link.line.on_back(self._due.set)

    def publish(self, channels: frozenset[str]) -> None:
        """See the port."""
        self._local.publish(channels)
        told = for_others(channels, self._listened_to)
        with self._lock:
            first = not self._owed
            if len(self._owed) < MOST_OWED:
                self._owed.update(dict.fromkeys(told))
        if told and first:
            with suppress(RuntimeError):  # the loop is closed: nobody is told any more
                self._loop.call_soon_threadsafe(self._due.set)

    def subscribe(self, *channels: str) -> AbstractAsyncContextManager[Subscription]:
        """See the port."""
        return self._subscribed(channels)

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            with self._lock:
                owed, self._owed = self._owed, {}
            if not owed:
                continue
            try:
                await self._link.line.run_script(_PUBLISH, self._prefix, self._origin, *owed)
            except RedisTroubleError:
                with self._lock:
                    self._owed = {**owed, **self._owed}
                self._loop.call_later(AGAIN_S, self._due.set)

    @asynccontextmanager
    async def _subscribed(self, channels: tuple[str, ...]) -> AsyncGenerator[Subscription, None]:
        async with self._local.subscribe(*channels) as subscription:
            self._listened_to.update(channels)
            heard = [(self._prefix + channel, self._listener(channel)) for channel in channels]
            try:
                await asyncio.gather(*(self._link.hearing.listen(*each) for each in heard))
                yield subscription
            finally:
                self._listened_to.subtract(channels)
                self._listened_to = +self._listened_to
                for each in heard:
                    self._link.hearing.leave(*each)

    def _listener(self, channel: str) -> Listener:
        signalled = frozenset({channel})

        async def on_message(origin: bytes | None) -> None:
            if origin != self._origin:
                self._local.publish(signalled)

        return on_message


@asynccontextmanager
async def open_signals(link: Link, local: Signals) -> AsyncGenerator[RedisSignals]:
    signals = RedisSignals(link, local)
    async with beside(signals.run()):
        yield signals
