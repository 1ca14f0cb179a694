"""Blobs: content too large for the store, by name."""

import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

from tertulia.kit.errors import Kind, TertuliaError

NAME_BYTES: Final = 512
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}(/[A-Za-z0-9][A-Za-z0-9._-]{0,199})*")
"""Readable in a shell, in a URL and in a listing, and no way out of a folder."""


class BlobMissingError(TertuliaError):
    """There is no such blob."""

    code = "blob_missing"
    kind = Kind.NOT_FOUND


class BlobNameError(TertuliaError):
    """A blob's name is letters, digits, dots, dashes and underscores, in folders divided by /."""

    code = "blob_name_invalid"
    kind = Kind.INVALID


class BlobChecksumError(TertuliaError):
    """The content is not what its checksum says; nothing was stored."""

    code = "blob_checksum_wrong"
    kind = Kind.MISMATCH


class BlobsUnavailableError(TertuliaError):
    """The place of blobs does not answer, or not as it should."""

    code = "blobs_unavailable"


class BlobsRefusedError(BlobsUnavailableError):
    """The place of blobs does not let us in; look at its credentials."""

    code = "blobs_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """What is known of a blob without reading it; `size` in bytes."""

    name: str
    size: int
    modified_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was stored."""

    size: int
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Whoever has `url` may use it with the one method it was made for, for as long as this."""

    url: str
    expires_in: timedelta


@dataclass(frozen=True, slots=True)
class NoLinks:
    """This place makes no links: what it holds goes through the process."""


class BlobStore(Protocol):
    """Bytes as they were given, each blob whole or not there.

    A blob is written once as a rule; who writes one again replaces it, and readers see the old
    one or the new one. No blob's name is another's folder. Every call raises BlobNameError for a
    name that is none, BlobsUnavailableError when the place does not answer, StorageFullError
    when it is full.
    """

    async def put(
        self, name: str, content: AsyncIterable[bytes], *, sha256: bytes | None = None
    ) -> Receipt:
        """Store what `content` yields, in pieces of any size, without holding all of it.

        On return it is durable. When `content` raises, the call is cancelled or the process
        dies, there is what was there before. BlobChecksumError when it is not what `sha256` says.
        """
        ...

    def get(self, name: str, *, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes]:
        """The bytes from `start` up to before `end`, piece by piece; what lies beyond the blob's
        end is left out. BlobMissingError with the first piece."""
        ...

    async def head(self, name: str) -> Blob:
        """BlobMissingError when there is none."""
        ...

    async def list(self, folder: str = "", *, after: str = "", limit: int = 100) -> Sequence[Blob]:
        """Those inside a folder, however deep ("" has all), by name, after the name `after`."""
        ...

    async def delete(self, name: str) -> None:
        """Done also when there is none."""
        ...

    async def link(
        self, name: str, method: Literal["GET", "PUT"], *, expires_in: timedelta
    ) -> Link | NoLinks:
        """A URL for one blob and one method that needs nothing else; at most seven days long.
        What a GET brings, or a PUT leaves, are the bytes as they lie there."""
        ...


def check_name(name: str) -> None:
    """BlobNameError unless it may be a blob's, or a folder's."""
    if len(name) > NAME_BYTES or not NAME.fullmatch(name):
        raise BlobNameError


class Metered:
    """Content on its way, counted and digested; iterated once.

    At the end it raises BlobChecksumError when the digest is not `expected`.
    """

    def __init__(self, content: AsyncIterable[bytes], expected: bytes | None) -> None:
        self._content = content
        self._expected = expected
        self._digest = hashlib.sha256()
        self._size = 0

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        async for piece in self._content:
            self._digest.update(piece)
            self._size += len(piece)
            yield piece
        if self._expected is not None and self._digest.digest() != self._expected:
            raise BlobChecksumError

    @property
    def receipt(self) -> Receipt:
        """Of what went by."""
        return Receipt(size=self._size, sha256=self._digest.digest())
