"""Blobs as files in a folder (BlobStore), for their owner alone.

A blob is written to a draft, synced, and given its name; then its folder is synced. Drafts lie in a
folder that every writer holds by a shared lock: whoever opens the place and gets that lock alone
removes the drafts of processes that died.
"""

import asyncio
import errno
import fcntl
import os
import secrets
import stat
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from heapq import nsmallest
from pathlib import Path
from typing import Final, Literal

from tertulia.kit.chunks import chunked
from tertulia.kit.folders import sync_folder
from tertulia.ports.blobs import (
    Blob,
    BlobMissingError,
    BlobsUnavailableError,
    Metered,
    NoLinks,
    Receipt,
    check_name,
)
from tertulia.ports.store import StorageFullError

DRAFTS: Final = ".drafts"  # no name of a blob begins with a dot
PIECE_BYTES: Final = 1024 * 1024  # one hop to a thread for each
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
ABSENT: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class FolderBlobs:
    """`root` is made when something is first put into it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._drafts = root / DRAFTS
        _sweep(self._drafts)

    async def put(
        self, name: str, content: AsyncIterable[bytes], *, sha256: bytes | None = None
    ) -> Receipt:
        target = self._path(name)
        metered = Metered(content, sha256)
        with _draft(self._drafts) as (draft, descriptor):
            async for piece in chunked(metered, PIECE_BYTES):
                await asyncio.to_thread(_write, descriptor, piece)
            await asyncio.to_thread(_place, draft, descriptor, target)
        return metered.receipt

    async def get(
        self, name: str, *, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        path = self._path(name)
        with _present(), path.open("rb") as file:
            file.seek(start)
            left = PIECE_BYTES if end is None else end - start
            while left > 0:
                piece = await asyncio.to_thread(file.read, min(left, PIECE_BYTES))
                if not piece:
                    return
                yield piece
                left -= len(piece) if end is not None else 0

    async def head(self, name: str) -> Blob:
        path = self._path(name)
        with _present():
            blob = _blob(name, path)
        if blob is None:
            raise BlobMissingError
        return blob

    async def list(self, folder: str = "", *, after: str = "", limit: int = 100) -> Sequence[Blob]:
        top = self._path(folder) if folder else self._root
        with _present():
            return await asyncio.to_thread(self._listed, top, after, limit)

    async def delete(self, name: str) -> None:
        path = self._path(name)
        with suppress(BlobMissingError), _present():
            path.unlink()
            sync_folder(path.parent)

    async def link(
        self, name: str, method: Literal["GET", "PUT"], *, expires_in: timedelta
    ) -> NoLinks:
        del method, expires_in
        check_name(name)
        return NoLinks()

    def _path(self, name: str) -> Path:
        check_name(name)
        return self._root / name

    def _listed(self, top: Path, after: str, limit: int) -> Sequence[Blob]:
        names = (str(path.relative_to(self._root)) for path in _files(top))
        found = nsmallest(limit, (name for name in names if name > after))
        blobs = [_blob(name, self._root / name) for name in found]
        return [blob for blob in blobs if blob is not None]


def _files(folder: Path) -> Iterator[Path]:
    for current, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith(".")]
        yield from (Path(current, each) for each in files if not each.startswith("."))


def _blob(name: str, path: Path) -> Blob | None:
    try:
        status = path.stat()
    except ABSENT:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
    return Blob(name=name, size=status.st_size, modified_at=modified_at)


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StorageFullError from error
        msg = f"The folder of blobs cannot be used ({error.strerror})."
        raise BlobsUnavailableError(msg) from error


@contextmanager
def _present() -> Generator[None]:
    with _translated():
        try:
            yield
        except ABSENT:
            raise BlobMissingError from None


@contextmanager
def _draft(drafts: Path) -> Generator[tuple[Path, int]]:
    """An empty file of mode 0600, gone at the end unless it got another name."""
    with _translated():
        _make(drafts)
        lock = os.open(drafts, os.O_RDONLY)
    draft = drafts / secrets.token_hex(16)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        with _translated():
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            yield draft, descriptor
        finally:
            os.close(descriptor)
            draft.unlink(missing_ok=True)
    finally:
        os.close(lock)


@_translated()
def _write(descriptor: int, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[os.write(descriptor, left) :]


@_translated()
def _place(draft: Path, descriptor: int, target: Path) -> None:
    os.fsync(descriptor)
    _make(target.parent)
    draft.rename(target)
    sync_folder(target.parent)


def _make(folder: Path) -> None:
    """A folder that is new is its owner's alone, and has a name to lose as files have."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def _sweep(drafts: Path) -> None:
    """Remove what processes left that died, unless somebody writes now."""
    with suppress(OSError):
        lock = os.open(drafts, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for draft in drafts.iterdir():
                draft.unlink()
        finally:
            os.close(lock)
