"""Signals: hints that something may have changed."""

from collections.abc import Container
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

ANYBODYS: Final = frozenset({"outbox"})
"""Channels of work that is done by whoever comes first. Where somebody in the process listens to
one, others are not woken: each would look, and find nothing left."""


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


def for_others(channels: frozenset[str], listened_to: Container[str]) -> frozenset[str]:
    """Those to be told to other processes, of which this one listens to some itself."""
    return frozenset(c for c in channels if c not in ANYBODYS or c not in listened_to)
