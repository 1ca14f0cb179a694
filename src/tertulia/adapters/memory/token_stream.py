"""Token streams of one process: one log per reply, which every reader follows by itself."""

import asyncio
import sys
from bisect import bisect_right
from collections.abc import AsyncGenerator
from typing import Final

from tertulia.domain.ids import MessageId
from tertulia.domain.messages import Status
from tertulia.domain.streams import Delta, End, Part, Position, Reset, Waiting
from tertulia.kit.clock import Clock
from tertulia.ports.token_stream import Parts

# Slot of a text and of its offset (16), the offset itself (28), growth of the two lists (4).
CHUNK_BYTES: Final = 48
# The log, its lists, its event, its key: measured with tracemalloc on CPython 3.11.
LOG_BYTES: Final = 1250


class _Log:
    """The text of one attempt as it came. Readers keep an index into it, so the writer does the
    same work for none and for a thousand of them, and each costs what it reads."""

    def __init__(self, epoch: int, text: str, first: int) -> None:
        self.epoch = epoch
        self.first = first  # the offset of the first character that is still held
        self.length = first
        self.begun_with = first + len(text)
        self.chunks: list[str] = []
        self.offsets: list[int] = []
        self.size_bytes = LOG_BYTES
        self.ahead: int | None = None
        self.status: Status | None = None
        self.replaced = False  # by a newer attempt, or by nothing
        self._changed = asyncio.Event()
        if text:
            self.append(text)

    def append(self, text: str) -> None:
        self.chunks.append(text)
        self.offsets.append(self.length)
        self.length += len(text)
        self.size_bytes += sys.getsizeof(text) + CHUNK_BYTES

    def trim(self) -> None:
        """Let go of the older half of the chunks."""
        half = max(len(self.chunks) // 2, 1)
        self.size_bytes -= sum(sys.getsizeof(text) + CHUNK_BYTES for text in self.chunks[:half])
        del self.chunks[:half], self.offsets[:half]
        self.first = self.offsets[0] if self.offsets else self.length

    def text_from(self, offset: int) -> str:
        """Everything after `offset`, which is held."""
        if offset == self.length:
            return ""
        index = bisect_right(self.offsets, offset) - 1
        head = self.chunks[index][offset - self.offsets[index] :]
        return head if index == len(self.chunks) - 1 else head + "".join(self.chunks[index + 1 :])

    def notify(self) -> None:
        """Wake all who wait now; whoever comes later waits for the next change."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def change(self) -> None:
        await self._changed.wait()


class MemoryTokenStream:
    """Bounded by the bytes that all logs take: those that ended first go first, then the oldest
    text of the longest one. `kept_s`: how long a log stays after its end."""

    def __init__(self, clock: Clock, *, max_bytes: int, kept_s: float) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._kept_s = kept_s
        self._logs: dict[MessageId, _Log] = {}
        self._ended: dict[MessageId, float] = {}  # in the order of their end
        self._size_bytes = 0

    async def begin(self, reply_id: MessageId, epoch: int, text: str, *, first: int = 0) -> None:
        """See the port. Beginning the same attempt again changes nothing."""
        old = self._logs.get(reply_id)
        if old is not None and old.epoch >= epoch:
            return
        if old is not None:
            self._drop(reply_id)
        log = self._logs[reply_id] = _Log(epoch, text, first)
        self._size_bytes += log.size_bytes
        if old is not None:
            old.replaced = True
            old.notify()
        self._make_room()

    async def wait(self, reply_id: MessageId, epoch: int, ahead: int) -> None:
        """See the port."""
        log = self._written(reply_id, epoch)
        if log is not None and log.length == log.begun_with:
            log.ahead = ahead
            log.notify()

    async def append(self, reply_id: MessageId, at: Position, text: str) -> None:
        """See the port."""
        log = self._written(reply_id, at.epoch)
        if log is None or log.length != at.offset or not text:
            return
        before = log.size_bytes
        log.append(text)
        self._size_bytes += log.size_bytes - before
        log.notify()
        self._make_room()

    async def end(self, reply_id: MessageId, epoch: int, status: Status) -> None:
        """See the port."""
        log = self._written(reply_id, epoch)
        if log is None:
            return
        log.status = status
        self._ended[reply_id] = self._clock.monotonic()
        log.notify()
        self._make_room()

    async def forget(self, reply_id: MessageId) -> None:
        """See the port."""
        log = self._logs.get(reply_id)
        if log is not None:
            self._drop(reply_id)
            log.replaced = True
            log.notify()

    async def read(self, reply_id: MessageId, after: Position | None) -> Parts | None:
        """See the port."""
        self._make_room()
        log = self._logs.get(reply_id)
        if log is None or (after is not None and after.epoch > log.epoch):
            return None
        wanted = after.offset if after is not None and _fits(log, after) else 0
        return self._follow(reply_id, log, after) if wanted >= log.first else None

    @property
    def size_bytes(self) -> int:
        """What the bound is held against."""
        return self._size_bytes

    async def _follow(
        self, reply_id: MessageId, log: _Log, after: Position | None
    ) -> AsyncGenerator[Part, None]:
        at = 0
        ahead: int | None = None
        if after is not None:
            at = after.offset
            if not _fits(log, after):
                at = log.length
                yield Reset(Position(log.epoch, at), log.text_from(0))
        while True:
            if log.replaced:
                newer = self._logs.get(reply_id)
                if newer is None or newer.first > 0:
                    return
                log = newer
                at, ahead = log.length, None
                yield Reset(Position(log.epoch, at), log.text_from(0))
            elif at < log.first:
                return
            elif at < log.length:
                text, at = log.text_from(at), log.length
                yield Delta(Position(log.epoch, at), text)
            elif log.status is not None:
                yield End(Position(log.epoch, at), log.status)
                return
            elif log.ahead != ahead and log.ahead is not None:
                ahead = log.ahead
                yield Waiting(ahead)
            else:
                await log.change()

    def _written(self, reply_id: MessageId, epoch: int) -> _Log | None:
        """The log that a writer of this epoch may write to."""
        log = self._logs.get(reply_id)
        return log if log is not None and log.epoch == epoch and log.status is None else None

    def _make_room(self) -> None:
        forgotten = self._clock.monotonic() - self._kept_s
        while self._ended:
            reply_id, ended_at = next(iter(self._ended.items()))
            if ended_at > forgotten and self._size_bytes <= self._max_bytes:
                break
            self._drop(reply_id)
        while self._size_bytes > self._max_bytes:
            longest = max(self._logs.values(), key=lambda log: log.size_bytes)
            if not longest.chunks:
                break
            before = longest.size_bytes
            longest.trim()
            self._size_bytes += longest.size_bytes - before

    def _drop(self, reply_id: MessageId) -> None:
        log = self._logs.pop(reply_id)
        self._ended.pop(reply_id, None)
        self._size_bytes -= log.size_bytes


def _fits(log: _Log, after: Position) -> bool:
    """Whether what a reader holds is the beginning of this log."""
    return after.epoch == log.epoch and after.offset <= log.length
