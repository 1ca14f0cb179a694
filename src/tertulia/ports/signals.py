"""Signals: hints that something may have changed."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Subscription(Protocol):
    async def wait(self, timeout_s: float | None = None) -> bool:
        """True once signalled since the last wait (or since the subscription), False on
        time-out. Signals that arrive meanwhile are merged into one."""
        ...


class Signals(Protocol):
    """Publish and subscribe by channel name. A signal carries nothing and may be lost across
    processes; whoever waits looks again at the truth, also now and then without a signal. Within
    the process none is lost; when the way to the others was cut, every waiter is woken once it is
    mended."""

    def publish(self, channels: frozenset[str]) -> None:
        """From any thread; never blocks."""
        ...

    def subscribe(self, *channels: str) -> AbstractAsyncContextManager[Subscription]: ...
