"""Blobs in memory (BlobStore)."""

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from datetime import timedelta
from heapq import nsmallest
from typing import Literal

from tertulia.kit.clock import Clock
from tertulia.ports.blobs import Blob, BlobMissingError, Metered, NoLinks, Receipt, check_name


class MemoryBlobs:
    """They go with the process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.held: dict[str, tuple[Blob, bytes]] = {}

    async def put(
        self, name: str, content: AsyncIterable[bytes], *, sha256: bytes | None = None
    ) -> Receipt:
        check_name(name)
        metered = Metered(content, sha256)
        held = b"".join([piece async for piece in metered])
        self.held[name] = Blob(name=name, size=len(held), modified_at=self._clock.now()), held
        return metered.receipt

    async def get(
        self, name: str, *, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        yield self._found(name)[1][start:end]

    async def head(self, name: str) -> Blob:
        return self._found(name)[0]

    async def list(self, folder: str = "", *, after: str = "", limit: int = 100) -> Sequence[Blob]:
        inside = f"{folder}/" if folder else ""
        names = (name for name in self.held if name.startswith(inside) and name > after)
        return [self.held[name][0] for name in nsmallest(limit, names)]

    async def delete(self, name: str) -> None:
        check_name(name)
        self.held.pop(name, None)

    async def link(
        self, name: str, method: Literal["GET", "PUT"], *, expires_in: timedelta
    ) -> NoLinks:
        del method, expires_in
        check_name(name)
        return NoLinks()

    def _found(self, name: str) -> tuple[Blob, bytes]:
        check_name(name)
        if name not in self.held:
            raise BlobMissingError
        return self.held[name]
