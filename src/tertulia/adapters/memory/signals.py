"""Signals within one process, from any of its threads."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress


class MemorySubscription:
    """One waiter. Signals between two waits are one: only the first wakes the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._raised = asyncio.Event()
        self._pending = False

    async def wait(self, timeout_s: float | None = None) -> bool:
        """See the port."""
        if not self._raised.is_set():
            try:
                async with asyncio.timeout(timeout_s):
                    await self._raised.wait()
            except TimeoutError:
                return False
        # In this order: a signal between the two lines is raised again rather than lost.
        self._raised.clear()
        self._pending = False
        return True

    def signal(self) -> None:
        """From any thread. Two threads at once may wake the loop twice, which does no harm."""
        if self._pending:
            return
        self._pending = True
        if threading.get_ident() == self._thread:
            self._raised.set()
            return
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._raised.set)


class MemorySignals:
    """Publish is a look into a dictionary for channels that nobody listens to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Tuples are replaced, never changed, so `publish` reads them without the lock.
        self._subscribers: dict[str, tuple[MemorySubscription, ...]] = {}

    def publish(self, channels: frozenset[str]) -> None:
        """See the port."""
        for channel in channels:
            for subscription in self._subscribers.get(channel, ()):
                subscription.signal()

    def subscribe(self, *channels: str) -> AbstractAsyncContextManager[MemorySubscription]:
        """See the port."""
        return self._subscribed(channels)

    @asynccontextmanager
    async def _subscribed(
        self, channels: tuple[str, ...]
    ) -> AsyncGenerator[MemorySubscription, None]:
        subscription = MemorySubscription()
        with self._lock:
            for channel in channels:
                others = self._subscribers.get(channel, ())
                self._subscribers[channel] = (*others, subscription)
        try:
            yield subscription
        finally:
            with self._lock:
                for channel in channels:
                    self._remove(channel, subscription)

    def _remove(self, channel: str, subscription: MemorySubscription) -> None:
        left = tuple(s for s in self._subscribers.get(channel, ()) if s is not subscription)
        if left:
            self._subscribers[channel] = left
        else:
            self._subscribers.pop(channel, None)
