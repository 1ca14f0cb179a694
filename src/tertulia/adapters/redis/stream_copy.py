"""The copy of another process's stream, for as long as it has readers here."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import msgspec

from tertulia.adapters.redis.line import RedisTroubleError
from tertulia.adapters.redis.link import Link
from tertulia.adapters.redis.seals import Seals
from tertulia.adapters.redis.stream_scripts import LOOK, READ
from tertulia.adapters.redis.stream_wire import (
    Begun,
    Ended,
    Gone,
    Grown,
    Queued,
    Said,
    decode,
    key_place,
    text_place,
)
from tertulia.domain.ids import MessageId
from tertulia.domain.messages import Status
from tertulia.domain.streams import Position
from tertulia.kit.errors import TamperedError
from tertulia.kit.sealing import Sealer
from tertulia.ports.token_stream import TokenStream

MOST_WAITING: Final = 1000  # messages heard while the stream is first read


class OutOfStepError(Exception):
    """The copy cannot go on: it missed something, or cannot read it."""


class StreamCopy:
    """Keeps the stream's text in `local`, from which any number of readers here read.

    It is made of what Redis holds and kept up by what is said on the channel. Whatever it misses
    ends it: then the stream is forgotten in `local`, so its readers look into the store and come
    back, and another copy is made.
    """

    def __init__(
        self,
        reply_id: MessageId,
        link: Link,
        seals: Seals,
        local: TokenStream,
        on_broken: Callable[["StreamCopy"], Awaitable[None]],
    ) -> None:
        self.reply_id = reply_id
        self.readers = 0
        self.in_step = False
        self._link = link
        self._seals = seals
        self._local = local
        self._on_broken = on_broken
        self._base = link.key("streams", "")
        self._channel = self._base + reply_id
        self._listening = False
        self._opening = asyncio.Lock()
        self._waiting: list[Said] | None = []  # None once what is said is followed at once
        self._epoch = 0
        self._length = 0
        self._ended = False
        self._sealer: Sealer | None = None
        self.quiet = False
        """Whether nothing was heard since this was last set."""

    async def open(self) -> bool:
        """Whether the stream is held, and followed from now on. Once, for all who ask."""
        async with self._opening:
            if self._waiting is None:
                return self.in_step
            self._listening = True
            if await self._link.hearing.listen(self._channel, self._on_message):
                with suppress(RedisTroubleError, OutOfStepError):
                    await self._read()
                    self.in_step = True
            self._waiting = None
            return self.in_step

    def close(self) -> None:
        """Stop listening."""
        if self._listening:
            self._listening = False
            self._link.hearing.leave(self._channel, self._on_message)

    async def check(self) -> None:
        """Compare with what Redis holds; for streams on which nothing was heard for long."""
        try:
            found = await self._link.line.run_script(LOOK, self._base, self.reply_id)
        except RedisTroubleError:
            return
        expected = [self._epoch, self._length, int(self._ended)]
        if self.quiet and self.in_step and (not found or [int(n) for n in found] != expected):
            await self._break()

    async def _read(self) -> None:
        found = await self._link.line.run_script(READ, self._base, self.reply_id)
        if found is None:
            raise OutOfStepError
        epoch, first, length, status, ahead, envelope, entries = found
        texts = await self._texts(int(epoch), envelope, entries)
        await self._begin(int(epoch), int(first), texts)
        if self._length != int(length):
            raise OutOfStepError
        if ahead is not None:
            await self._local.wait(self.reply_id, self._epoch, int(ahead))
        if status is not None:
            await self._end(Status(status.decode()))
        while self._waiting:
            await self._follow(self._waiting.pop(0))

    async def _texts(self, epoch: int, envelope: bytes, entries: list[Any]) -> str:
        house = await self._seals.opened(envelope)
        if house is None:
            raise OutOfStepError
        self._sealer = house.sealer(key_place(self.reply_id, epoch))
        texts: list[str] = []
        for entry in entries:
            said = _decoded(entry)
            if not isinstance(said, Grown):
                raise OutOfStepError
            texts.append(self._opened(said.sealed, said.at))
        return "".join(texts)

    async def _on_message(self, message: bytes | None) -> None:
        self.quiet = False
        try:
            if self._waiting is None:
                await self._follow(_decoded(message))
            elif len(self._waiting) < MOST_WAITING:
                self._waiting.append(_decoded(message))
        except OutOfStepError:
            await self._break()

    async def _follow(self, said: Said) -> None:
        match said:
            case Grown():
                await self._grow(said)
            case Begun():
                await self._begin_anew(said)
            case Queued(epoch, ahead):
                await self._local.wait(self.reply_id, epoch, ahead)
            case Ended(epoch, status):
                if epoch == self._epoch:
                    await self._end(status)
            case Gone():
                raise OutOfStepError

    async def _grow(self, said: Grown) -> None:
        if said.epoch < self._epoch or (said.epoch == self._epoch and said.at < self._length):
            return  # it came while the stream was read
        if said.epoch > self._epoch or said.at > self._length:
            raise OutOfStepError
        text = self._opened(said.sealed, said.at)
        await self._local.append(self.reply_id, Position(self._epoch, self._length), text)
        self._length += len(text)

    async def _begin_anew(self, said: Begun) -> None:
        if said.epoch <= self._epoch:
            return
        house = self._seals.known(said.envelope)
        if house is None:
            raise OutOfStepError
        self._sealer = house.sealer(key_place(self.reply_id, said.epoch))
        text = self._opened(said.sealed, said.first) if said.sealed else ""
        await self._begin(said.epoch, said.first, text)

    async def _begin(self, epoch: int, first: int, text: str) -> None:
        await self._local.begin(self.reply_id, epoch, text, first=first)
        self._epoch, self._length, self._ended = epoch, first + len(text), False

    async def _end(self, status: Status) -> None:
        await self._local.end(self.reply_id, self._epoch, status)
        self._ended = True

    def _opened(self, sealed: bytes, at: int) -> str:
        if self._sealer is None:
            raise OutOfStepError
        try:
            return self._sealer.open(sealed, text_place(at)).decode()
        except TamperedError:
            raise OutOfStepError from None

    async def _break(self) -> None:
        if self.in_step:
            self.in_step = False
            await self._on_broken(self)


def _decoded(message: bytes | None) -> Said:
    if message is None:  # some were missed
        raise OutOfStepError
    try:
        return decode(message)
    except msgspec.DecodeError:
        raise OutOfStepError from None
