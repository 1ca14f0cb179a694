"""Long content, sealed in chunks, so that any part of it can be opened by itself.

The construction is STREAM (Hoang, Reyhanitabar, Rogaway and Vizár, 2015), as age has it, with
random nonces: each chunk is bound to its place, its number and whether it is the last one. So
content that was cut short, lengthened, put in another order or mixed with other content is refused.
"""

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from typing import Final

from tertulia.kit.errors import TamperedError
from tertulia.kit.sealing import OVERHEAD_BYTES, Sealer, place

CHUNK_BYTES: Final = 64 * 1024  # as age: 0.04 % more to keep, and little to read for one byte
SEALED_BYTES: Final = CHUNK_BYTES + OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class Extent:
    """The chunks of content of a size; empty content is one empty chunk."""

    size: int

    @classmethod
    def of_sealed(cls, sealed_size: int) -> "Extent":
        """TamperedError when sealed content has no such size."""
        count = -(-sealed_size // SEALED_BYTES)
        size = sealed_size - count * OVERHEAD_BYTES
        if size < 0 or cls(size).count != count:
            raise TamperedError
        return cls(size)

    @property
    def count(self) -> int:
        return max(1, -(-self.size // CHUNK_BYTES))

    @property
    def sealed_size(self) -> int:
        return self.size + self.count * OVERHEAD_BYTES


class ChunkSealer:
    """Seals and opens the chunks of one content, under one 32-byte key used for it alone."""

    def __init__(self, key: bytes, name: str) -> None:
        self._sealer = Sealer(key)
        self._name = name

    async def seal(self, content: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
        """Sealed chunks, in order."""
        number, held = 0, b""
        async for chunk in chunked(content, CHUNK_BYTES):
            if number:
                yield self._sealer.seal(held, self._where(number - 1, last=False))
            number, held = number + 1, chunk
        yield self._sealer.seal(held, self._where(max(0, number - 1), last=True))

    async def open(
        self, sealed: AsyncIterable[bytes], extent: Extent, first: int
    ) -> AsyncGenerator[bytes]:
        """The chunks from number `first` on. TamperedError at the first that does not fit."""
        number = first
        async for chunk in chunked(sealed, SEALED_BYTES):
            yield self._sealer.open(chunk, self._where(number, last=number == extent.count - 1))
            number += 1

    def _where(self, number: int, *, last: bool) -> bytes:
        return place("chunk", self._name, number, "last" if last else "more")


async def chunked(pieces: AsyncIterable[bytes], size: int) -> AsyncGenerator[bytes]:
    """The same bytes in pieces of `size`, the last one shorter; none is empty."""
    held = bytearray()
    async for piece in pieces:
        held += piece
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)
