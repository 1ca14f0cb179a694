"""Blobs sealed under keys of their own (BlobStore), over a place that sees ciphertext alone.

    magic (8 bytes) | version of the master key (4) | length (2) | the blob's key, wrapped by it |
    zeros up to 512 bytes | chunks (kit/chunks.py)

Chunks are bound to the blob's name, so a blob that is put under another name is refused as well.
Sizes are those of the plain content; they are known without opening it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Final, Literal

from tertulia.kit.chunks import CHUNK_BYTES, SEALED_BYTES, ChunkSealer, Extent
from tertulia.kit.errors import TamperedError
from tertulia.kit.sealing import new_key, place
from tertulia.ports.blobs import Blob, BlobStore, Metered, NoLinks, Receipt, check_name
from tertulia.ports.key_vault import KeyVault

MAGIC: Final = b"TERTBLB1"
HEADER_BYTES: Final = 512
_VERSION_END: Final = len(MAGIC) + 4
_LENGTH_END: Final = _VERSION_END + 2


class SealedBlobs:
    """TamperedError for what was changed, cut, exchanged or never sealed; KeyMissingError when the
    master key of that time is gone. Makes no links: their holder would have ciphertext."""

    def __init__(self, place: BlobStore, vault: KeyVault) -> None:
        self._place = place
        self._vault = vault

    async def put(
        self, name: str, content: AsyncIterable[bytes], *, sha256: bytes | None = None
    ) -> Receipt:
        check_name(name)
        key, metered = new_key(), Metered(content, sha256)
        header = await asyncio.to_thread(self._wrap, name, key)

        async def sealed() -> AsyncGenerator[bytes]:
            yield header
            async for chunk in ChunkSealer(key, name).seal(metered):
                yield chunk

        await self._place.put(name, sealed())
        return metered.receipt

    async def get(
        self, name: str, *, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        extent = _extent(await self._place.head(name))
        sealer = ChunkSealer(await self._key(name), name)
        end = extent.size if end is None else min(end, extent.size)
        if start and start >= end:
            return
        first, final = start // CHUNK_BYTES, max(0, end - 1) // CHUNK_BYTES
        raw = self._place.get(
            name,
            start=HEADER_BYTES + first * SEALED_BYTES,
            end=HEADER_BYTES + (final + 1) * SEALED_BYTES,
        )
        at = first * CHUNK_BYTES
        async with aclosing(raw):
            async for chunk in sealer.open(raw, extent, first):
                yield chunk[max(0, start - at) : end - at]
                at += len(chunk)
        if at < end:
            raise TamperedError

    async def head(self, name: str) -> Blob:
        return _plain(await self._place.head(name))

    async def list(self, folder: str = "", *, after: str = "", limit: int = 100) -> Sequence[Blob]:
        found = await self._place.list(folder, after=after, limit=limit)
        return [_plain(each) for each in found]

    async def delete(self, name: str) -> None:
        await self._place.delete(name)

    async def link(
        self, name: str, method: Literal["GET", "PUT"], *, expires_in: timedelta
    ) -> NoLinks:
        del method, expires_in
        check_name(name)
        return NoLinks()

    async def _key(self, name: str) -> bytes:
        raw = self._place.get(name, end=HEADER_BYTES)
        header = b"".join([piece async for piece in raw])
        return await asyncio.to_thread(self._unwrap, name, header)

    def _wrap(self, name: str, key: bytes) -> bytes:
        version, wrapped = self._vault.wrap(key, place("blob", name))
        lengths = version.to_bytes(4) + len(wrapped).to_bytes(2)
        return (MAGIC + lengths + wrapped).ljust(HEADER_BYTES, b"\0")

    def _unwrap(self, name: str, header: bytes) -> bytes:
        end = _LENGTH_END + int.from_bytes(header[_VERSION_END:_LENGTH_END])
        if not header.startswith(MAGIC) or header[end:].strip(b"\0"):
            raise TamperedError
        version = int.from_bytes(header[len(MAGIC) : _VERSION_END])
        return self._vault.unwrap(version, header[_LENGTH_END:end], place("blob", name))


def _extent(raw: Blob) -> Extent:
    return Extent.of_sealed(raw.size - HEADER_BYTES)


def _plain(raw: Blob) -> Blob:
    return replace(raw, size=_extent(raw).size)
