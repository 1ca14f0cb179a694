"""Token streams: a reply's text on its way out, resumable from any position."""

from collections.abc import AsyncIterator, Awaitable
from typing import Protocol

from tertulia.domain.ids import MessageId
from tertulia.domain.messages import Status
from tertulia.domain.streams import Part, Position


class Parts(Protocol):
    """What a reader gets, part by part. Close it when you leave before its end."""

    def __aiter__(self) -> AsyncIterator[Part]: ...

    def __anext__(self) -> Awaitable[Part]: ...

    def aclose(self) -> Awaitable[None]: ...


class TokenStream(Protocol):
    """One writer per attempt, any number of readers on any process.

    Appends of an older epoch, or at another offset than the end, are ignored. A reader gets
    every character once and in order; `Reset` when its epoch is an older one or it holds more
    than there is; `End` last. `Waiting` may come before an attempt's first text, the latest value
    only. Streams are kept for a while after their end, within a bound of bytes; the parts of a
    reader that falls behind the bound end without an `End`, and it reads on from the store.

    Nothing is raised when what carries streams between processes is away: writers go on and it is
    told when it is back, readers of other processes are sent to the store, in one way or the
    other: `read` gives None, or the parts end without an `End`.
    """

    async def begin(self, reply_id: MessageId, epoch: int, text: str, *, first: int = 0) -> None:
        """Start an attempt; `text` is what is kept of earlier ones, from character `first` on:
        what lies before it only the store has."""
        ...

    async def wait(self, reply_id: MessageId, epoch: int, ahead: int) -> None:
        """Tell readers that `ahead` requests go first. Ignored once the attempt has text."""
        ...

    async def append(self, reply_id: MessageId, at: Position, text: str) -> None:
        """`at` is the position before `text`."""
        ...

    async def end(self, reply_id: MessageId, epoch: int, status: Status) -> None: ...

    async def forget(self, reply_id: MessageId) -> None:
        """Hold nothing of it any more; the parts of its readers end without an `End`."""
        ...

    async def read(self, reply_id: MessageId, after: Position | None) -> Parts | None:
        """None when what follows `after` is not held: the store has the text."""
        ...
