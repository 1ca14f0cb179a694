"""Token streams: a reply's text on its way out, resumable from any position."""

from collections.abc import AsyncIterator
from typing import Protocol

from tertulia.domain.ids import MessageId
from tertulia.domain.messages import Status
from tertulia.domain.streams import Part, Position


class TokenStream(Protocol):
    """One writer per attempt, any number of readers on any process.

    Appends of an older epoch, or at another offset than the end, are ignored. A reader gets
    every character once and in order; `Reset` when its epoch is an older one or it holds more
    than there is; `End` last. `Waiting` may come before an attempt's first text, the latest value
    only. Streams are kept for a while after their end, within a bound of bytes; the parts of a
    reader that falls behind the bound end without an `End`, and it reads on from the store.
    """

    async def begin(self, reply_id: MessageId, epoch: int, text: str) -> None:
        """Start an attempt; `text` is what is kept of earlier ones."""
        ...

    async def wait(self, reply_id: MessageId, epoch: int, ahead: int) -> None:
        """Tell readers that `ahead` requests go first. Ignored once the attempt has text."""
        ...

    async def append(self, reply_id: MessageId, at: Position, text: str) -> None:
        """`at` is the position before `text`."""
        ...

    async def end(self, reply_id: MessageId, epoch: int, status: Status) -> None: ...

    def read(self, reply_id: MessageId, after: Position | None) -> AsyncIterator[Part] | None:
        """None when the stream is not held: the store has the text."""
        ...
