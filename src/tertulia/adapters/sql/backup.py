"""Backups: one file that holds a consistent copy of the database, its checksum, and at most an
envelope with the master key that a passphrase opens.

    the database (a SQLite file) | about (JSON) | its length (4 bytes) | SHA-256 | magic (16 bytes)

What people wrote is sealed in a backup as it is in the database. The plain master key is never in
it: keep a copy of the key file elsewhere, or make the backup with a passphrase.
"""

import asyncio
import errno
import hashlib
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from tertulia.kit.errors import Kind, TertuliaError
from tertulia.kit.folders import sync_folder
from tertulia.ports.store import StorageFullError
from tertulia.ports.store_admin import StoreAdmin

MAGIC: Final = b"TERTULIA BACKUP1"
_LENGTH_BYTES: Final = 4
_DIGEST_BYTES: Final = 32
_TAIL_BYTES: Final = _LENGTH_BYTES + _DIGEST_BYTES + len(MAGIC)
# What file systems say that know no second name for a file, such as those of memory sticks.
NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS})
_CHUNK_BYTES: Final = 1024 * 1024


class BackupDamagedError(TertuliaError):
    """The file is no backup of Tertulia, or it is damaged."""

    code = "backup_damaged"
    kind = Kind.INVALID


class TargetUnwritableError(TertuliaError):
    """The file cannot be written."""

    code = "target_unwritable"
    kind = Kind.INVALID


class TargetExistsError(TertuliaError):
    """There is such a file already; nothing was overwritten."""

    code = "target_exists"
    kind = Kind.CONFLICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a backup says of itself. `envelope` is the keyring, sealed by a passphrase; `lost` is
    how many texts it lacks because the history log has lost them."""

    made_at: datetime
    revision: str
    database_bytes: int
    envelope: bytes | None = None
    lost: int = 0


async def back_up(
    store: StoreAdmin, target: Path, *, made_at: datetime, envelope: bytes | None = None
) -> Backup:
    """Write a backup to the new file `target` while the store serves. The file appears whole or
    not at all; TargetExistsError rather than overwriting."""
    with draft_of(target) as draft:
        check_free(target)
        lost = await store.copy(draft)
        about = Backup(
            made_at=made_at,
            revision=store.revision,
            database_bytes=draft.stat().st_size,
            envelope=envelope,
            lost=lost,
        )
        await asyncio.to_thread(_finish, draft, about)
        place_new(draft, target)
    return about


def read_backup(file: Path) -> Backup:
    """BackupDamagedError unless every byte is what was written."""
    try:
        size = file.stat().st_size
        with file.open("rb") as source:
            source.seek(max(0, size - _TAIL_BYTES))
            tail = source.read()
            length = int.from_bytes(tail[:_LENGTH_BYTES])
            digest = tail[_LENGTH_BYTES : -len(MAGIC)]
            if not tail.endswith(MAGIC) or length > size - _TAIL_BYTES:
                raise BackupDamagedError
            source.seek(0)
            if _digest(source, size - _DIGEST_BYTES - len(MAGIC)) != digest:
                raise BackupDamagedError
            source.seek(size - _TAIL_BYTES - length)
            return msgspec.json.decode(source.read(length), type=Backup)
    except (OSError, msgspec.DecodeError) as error:
        msg = f"The backup {file} cannot be read ({error})."
        raise BackupDamagedError(msg) from error


def check_free(target: Path) -> None:
    """TargetExistsError when there is something at `target`."""
    if target.exists():
        raise _exists(target)


def extract(file: Path, about: Backup, draft: Path) -> None:
    """Write the database that a checked backup holds to the existing file `draft`."""
    with file.open("rb") as source, draft.open("r+b") as sink:
        left = about.database_bytes
        while left > 0:
            chunk = source.read(min(left, _CHUNK_BYTES))
            if not chunk:
                raise BackupDamagedError
            sink.write(chunk)
            left -= len(chunk)
        sink.flush()
        os.fsync(sink.fileno())


@contextmanager
def draft_of(target: Path) -> Generator[Path]:
    """An empty file of mode 0600 beside `target`, gone at the end. StorageFullError or
    TargetUnwritableError when the folder cannot take it."""
    draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        yield draft
    except OSError as error:
        msg = f"The file {target} cannot be written ({error.strerror})."
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise StorageFullError(msg) from error
        raise TargetUnwritableError(msg) from error
    finally:
        draft.unlink(missing_ok=True)


def place_new(draft: Path, target: Path) -> None:
    """Give the draft its name, durably; TargetExistsError when that is taken by now."""
    try:
        target.hardlink_to(draft)
    except FileExistsError:
        raise _exists(target) from None
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        check_free(target)
        draft.rename(target)
    sync_folder(target.parent)


def _finish(draft: Path, about: Backup) -> None:
    encoded = msgspec.json.encode(about)
    with draft.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(encoded + len(encoded).to_bytes(_LENGTH_BYTES))
        size = file.tell()
        file.seek(0)
        digest = _digest(file, size)
        file.seek(size)
        file.write(digest + MAGIC)
        file.flush()
        os.fsync(file.fileno())


def _digest(file: BinaryIO, size: int) -> bytes:
    digest = hashlib.sha256()
    while size > 0 and (chunk := file.read(min(size, _CHUNK_BYTES))):
        digest.update(chunk)
        size -= len(chunk)
    return digest.digest()


def _exists(target: Path) -> TargetExistsError:
    return TargetExistsError(f"The file {target} exists already; nothing was overwritten.")
