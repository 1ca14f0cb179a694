"""Token streams that any process can follow: written here, read everywhere."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from tertulia.adapters.redis.line import RedisTroubleError, Script
from tertulia.adapters.redis.link import Link
from tertulia.adapters.redis.seals import House, Seals
from tertulia.adapters.redis.stream_copy import StreamCopy
from tertulia.adapters.redis.stream_scripts import (
    APPEND,
    BEGIN,
    END,
    ENTRY_BYTES,
    FORGET,
    QUEUE,
    RUNNING_MS,
    STREAM_BYTES,
)
from tertulia.adapters.redis.stream_wire import (
    GONE,
    Begun,
    Ended,
    Grown,
    Queued,
    encode,
    key_place,
    text_place,
)
from tertulia.domain.ids import MessageId
from tertulia.domain.messages import Status
from tertulia.domain.streams import Part, Position
from tertulia.kit.sealing import Sealer
from tertulia.kit.tasks import beside
from tertulia.ports.token_stream import Parts, TokenStream

LOOK_AGAIN_S: Final = 5.0  # a stream on which nothing is heard may have been lost
MOST_UNSENT: Final = 100_000  # characters of a reply kept while Redis is away
MOST_ENDED: Final = 1000  # replies that ended while Redis was away


@dataclass(slots=True)
class _Writing:
    """An attempt that this process writes. `sent` characters are known to be in Redis, `unsent`
    follows them."""

    epoch: int
    house: House
    sealer: Sealer
    length: int
    sent: int
    unsent: list[str] = field(default_factory=list[str])
    status: Status | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class RedisTokenStream:
    """What is written here is in `local` (memory) first, so readers of this process do not depend
    on Redis; and in Redis right behind it, in one round trip an append. Readers of other processes
    read a copy that is kept up by a channel, one for all of them.

    While Redis is away what it missed is kept, and told when it is back. What was lost in Redis is
    begun anew from where the writer is; what went before is in the store.
    """

    def __init__(
        self, link: Link, seals: Seals, local: TokenStream, *, max_bytes: int, kept_s: float
    ) -> None:
        self._link = link
        self._seals = seals
        self._local = local
        self._max_bytes = max_bytes
        self._kept_ms = round(kept_s * 1000)
        self._base = link.key("streams", "")
        self._writings: dict[MessageId, _Writing] = {}
        self._copies: dict[MessageId, StreamCopy] = {}
        self._back = asyncio.Event()
        link.line.on_back(self._back.set)

    async def begin(self, reply_id: MessageId, epoch: int, text: str, *, first: int = 0) -> None:
        """See the port."""
        held = self._writings.get(reply_id)
        if held is not None and held.epoch >= epoch:
            return
        house = await self._seals.own()
        sealer = house.sealer(key_place(reply_id, epoch))
        length = first + len(text)
        await self._close_copy(reply_id)
        await self._local.begin(reply_id, epoch, text, first=first)
        writing = self._writings[reply_id] = _Writing(epoch, house, sealer, length, length)
        sealed = sealer.seal(text.encode(), text_place(first)) if text else b""
        await self._tell(
            reply_id,
            writing,
            BEGIN,
            epoch,
            first,
            length,
            house.envelope,
            encode(Grown(epoch, first, sealed)) if text else b"",
            RUNNING_MS,
            self._kept_ms,
            self._max_bytes,
            encode(Begun(epoch, first, house.envelope, sealed)),
            STREAM_BYTES,
            ENTRY_BYTES,
        )

    async def wait(self, reply_id: MessageId, epoch: int, ahead: int) -> None:
        """See the port."""
        writing = self._written(reply_id, epoch)
        if writing is not None:
            await self._local.wait(reply_id, epoch, ahead)
            message = encode(Queued(epoch, ahead))
            await self._tell(reply_id, writing, QUEUE, epoch, ahead, message)

    async def append(self, reply_id: MessageId, at: Position, text: str) -> None:
        """See the port."""
        writing = self._written(reply_id, at.epoch)
        if writing is None or writing.length != at.offset or not text:
            return
        await self._local.append(reply_id, at, text)
        writing.unsent.append(text)
        writing.length += len(text)
        await self._send(reply_id, writing)

    async def end(self, reply_id: MessageId, epoch: int, status: Status) -> None:
        """See the port."""
        writing = self._written(reply_id, epoch)
        if writing is None:  # whoever wrote it is gone
            await self._tell_end(reply_id, epoch, status)
            return
        await self._local.end(reply_id, epoch, status)
        writing.status = status
        await self._send(reply_id, writing)
        if len(self._writings) > MOST_ENDED:
            self._let_go_of_ended()

    async def forget(self, reply_id: MessageId) -> None:
        """See the port."""
        self._writings.pop(reply_id, None)
        await self._close_copy(reply_id)
        await self._local.forget(reply_id)
        await self._run(FORGET, reply_id, GONE)

    async def read(self, reply_id: MessageId, after: Position | None) -> Parts | None:
        """See the port."""
        if reply_id in self._writings:
            return await self._local.read(reply_id, after)
        copy = self._copies.get(reply_id)
        if copy is None:
            copy = StreamCopy(reply_id, self._link, self._seals, self._local, self._broken)
            self._copies[reply_id] = copy
        copy.readers += 1
        parts = None
        try:
            parts = await self._local.read(reply_id, after) if await copy.open() else None
        finally:
            if parts is None:
                await self._leave(copy)
        return None if parts is None else _CopyParts(parts, lambda: self._leave(copy))

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._catch_up())
            group.create_task(self._look_again())

    async def _catch_up(self) -> None:
        """Tell what Redis missed, once it is back."""
        while True:
            await self._back.wait()
            self._back.clear()
            for reply_id, writing in list(self._writings.items()):
                if writing.unsent or writing.status is not None:
                    await self._send(reply_id, writing)

    async def _look_again(self) -> None:
        while True:
            quiet = [copy for copy in self._copies.values() if copy.quiet]
            await asyncio.gather(*(copy.check() for copy in quiet))
            for copy in self._copies.values():
                copy.quiet = True
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _send(self, reply_id: MessageId, writing: _Writing) -> None:
        """Everything that Redis does not know of; what comes meanwhile goes along."""
        async with writing.turn:
            while writing.unsent:
                if not await self._send_text(reply_id, writing):
                    return
            if writing.status is None or self._writings.get(reply_id) is not writing:
                return
            if await self._tell_end(reply_id, writing.epoch, writing.status):
                self._writings.pop(reply_id, None)

    async def _send_text(self, reply_id: MessageId, writing: _Writing) -> bool:
        """False when it has to wait, or has become pointless."""
        if self._link.line.away is not None:
            self._bound(writing)
            return False
        epoch, at, taken = writing.epoch, writing.sent, len(writing.unsent)
        text = "".join(writing.unsent)
        to = at + len(text)
        sealed = writing.sealer.seal(text.encode(), text_place(at))
        length = await self._tell(
            reply_id,
            writing,
            APPEND,
            epoch,
            at,
            to,
            encode(Grown(epoch, at, sealed)),
            writing.house.envelope,
            RUNNING_MS,
            self._kept_ms,
            self._max_bytes,
            STREAM_BYTES,
            ENTRY_BYTES,
        )
        if length is None:
            self._bound(writing)
            return False
        rest = text[length - at :]  # an answer got lost, and more was added to what it was about
        writing.unsent[:taken] = [rest] if rest else []
        writing.sent = length
        return True

    def _bound(self, writing: _Writing) -> None:
        """What is too much to keep is in the store; the stream goes on behind it."""
        if writing.length - writing.sent > MOST_UNSENT:
            writing.unsent, writing.sent = [], writing.length

    async def _tell(
        self,
        reply_id: MessageId,
        writing: _Writing,
        script: Script,
        *arguments: str | bytes | int,
    ) -> int | None:
        """What the script answers; None when Redis is away, or holds a newer attempt: then this
        one is given up."""
        answer = await self._run(script, reply_id, *arguments)
        if answer == -1 and self._writings.get(reply_id) is writing:
            del self._writings[reply_id]
            writing.unsent, writing.status = [], None
            await self._local.forget(reply_id)
        return None if answer == -1 else answer

    async def _tell_end(self, reply_id: MessageId, epoch: int, status: Status) -> bool:
        message = encode(Ended(epoch, status))
        told = await self._run(END, reply_id, epoch, status, self._kept_ms, message, GONE)
        return told is not None

    async def _run(
        self, script: Script, reply_id: MessageId, *arguments: str | bytes | int
    ) -> int | None:
        try:
            return await self._link.line.run_script(script, self._base, reply_id, *arguments)
        except RedisTroubleError:
            return None

    def _written(self, reply_id: MessageId, epoch: int) -> _Writing | None:
        """The attempt of this epoch, while it is written here."""
        writing = self._writings.get(reply_id)
        if writing is None or writing.epoch != epoch or writing.status is not None:
            return None
        return writing

    def _let_go_of_ended(self) -> None:
        for reply_id, writing in list(self._writings.items()):
            if writing.status is not None:
                del self._writings[reply_id]

    async def _leave(self, copy: StreamCopy) -> None:
        copy.readers -= 1
        if copy.readers == 0 and self._copies.get(copy.reply_id) is copy:
            await self._close_copy(copy.reply_id)

    async def _broken(self, copy: StreamCopy) -> None:
        if self._copies.get(copy.reply_id) is copy:
            await self._close_copy(copy.reply_id)

    async def _close_copy(self, reply_id: MessageId) -> None:
        copy = self._copies.pop(reply_id, None)
        if copy is not None:
            copy.close()
            if reply_id not in self._writings:
                await self._local.forget(reply_id)


class _CopyParts:
    """The parts of one reader of a copy, which is given up with its last reader."""

    def __init__(self, parts: Parts, leave: Callable[[], Awaitable[None]]) -> None:
        self._parts = parts
        self._leave: Callable[[], Awaitable[None]] | None = leave

    def __aiter__(self) -> "_CopyParts":
        return self

    async def __anext__(self) -> Part:
        try:
            return await self._parts.__anext__()
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        leave, self._leave = self._leave, None
        if leave is not None:
            await self._parts.aclose()
            await leave()


@asynccontextmanager
async def open_token_stream(
    link: Link, seals: Seals, local: TokenStream, *, max_bytes: int, kept_s: float
) -> AsyncGenerator[RedisTokenStream]:
    stream = RedisTokenStream(link, seals, local, max_bytes=max_bytes, kept_s=kept_s)
    async with beside(stream.run()):
        yield stream
