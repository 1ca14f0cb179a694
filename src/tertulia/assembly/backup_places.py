"""Backups at an address: the same file as `tertulia backup FILE` makes, as a sealed blob.

Beside a backup that was made with a passphrase lies the blob `NAME.key`: the keyring, which that
passphrase opens, for a machine that has no key yet.
"""

import asyncio
import re
import tempfile
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from tertulia.adapters.s3.settings import S3Settings
from tertulia.adapters.sealed_blobs.settings import BlobsSettings
from tertulia.assembly import inspection, safekeeping
from tertulia.assembly.blobs import blob_place
from tertulia.assembly.home import open_home
from tertulia.assembly.places import home_path
from tertulia.kit.clock import SystemClock
from tertulia.kit.errors import Kind, TamperedError, TertuliaError
from tertulia.kit.settings import SettingsInForce
from tertulia.ports.blobs import Blob, BlobMissingError, BlobStore
from tertulia.ports.key_vault import KeyVault

ADDRESS: Final = re.compile(r"(s3|file)://.*")
KEY: Final = ".key"
PAGE: Final = 1000
PIECE_BYTES: Final = 1024 * 1024


class PlaceUnsetError(TertuliaError):
    """Say where: a new file, an address, or set blobs.url."""

    code = "backup_place_unset"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupFound:
    """A backup at an address. `with_key`: a passphrase opens it without the key file."""

    url: str
    size: int
    stored_at: datetime
    with_key: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """A name in a folder that an address names; the name is empty for the folder itself."""

    folder: str
    name: str
    query: str

    @classmethod
    def parse(cls, url: str) -> Self:
        parts = urlsplit(url)
        folder, _, name = parts.path.rpartition("/")
        return cls(
            folder=f"{parts.scheme}://{parts.netloc}{folder}/",
            name=name,
            query=f"?{parts.query}" if parts.query else "",
        )

    def url_of(self, name: str) -> str:
        return f"{self.folder}{name}{self.query}"

    def open(self, settings: SettingsInForce) -> AbstractAsyncContextManager[BlobStore]:
        return blob_place(self.url_of(""), settings.of(S3Settings))


def is_address(text: str) -> bool:
    """Whether it names a place for blobs, not a file."""
    return ADDRESS.fullmatch(text) is not None


def default_folder(settings: SettingsInForce) -> str:
    """`backups/` at `blobs.url`; PlaceUnsetError when that is not set, as the same disk is no place
    for backups."""
    url = settings.of(BlobsSettings).url
    if not url:
        raise PlaceUnsetError
    parts = urlsplit(url)
    return parts._replace(path=f"{parts.path.rstrip('/')}/backups/").geturl()


async def back_up(settings: SettingsInForce, url: str, *, passphrase: str | None) -> str:
    """Make a backup and send it up; returns its address. It appears there whole or not at all.

    TargetExistsError when there is something of that name. Two who write the same name at the same
    moment are not kept apart: the later one stays.
    """
    from tertulia.adapters.sealed_blobs.blobs import SealedBlobs
    from tertulia.adapters.sql.backup import read_backup

    at = At.parse(url)
    name = at.name or f"{SystemClock().now():%Y-%m-%dT%H-%M-%SZ}.tertulia"
    async with at.open(settings) as place:
        await _check_free(place, name, at.url_of(name))
        with _draft(settings) as draft:
            await safekeeping.back_up(settings, draft, passphrase=passphrase)
            envelope = read_backup(draft).envelope
            if envelope:
                await place.put(name + KEY, _once(envelope))
            await SealedBlobs(place, _vault(settings)).put(name, _pieces(draft))
    return at.url_of(name)


async def restore(
    settings: SettingsInForce, url: str, *, replace: bool, passphrase: str | None
) -> Path | None:
    """As `safekeeping.restore`, of a backup at an address. BackupDamagedError when it was altered,
    renamed, or sealed by another key."""
    from tertulia.adapters.sealed_blobs.blobs import SealedBlobs
    from tertulia.adapters.sql.backup import BackupDamagedError

    at = At.parse(url)
    async with at.open(settings) as place:
        await place.head(at.name)
        vault = await _sealed_vault(place, at.name, passphrase) if passphrase else _vault(settings)
        with _draft(settings) as draft:
            try:
                await _fetch(SealedBlobs(place, vault), at.name, draft)
            except TamperedError:
                msg = f"{url} is damaged, was renamed, or belongs to another key."
                raise BackupDamagedError(msg) from None
            return await safekeeping.restore(
                settings, draft, replace=replace, passphrase=passphrase
            )


async def backups(settings: SettingsInForce, url: str) -> Sequence[BackupFound]:
    """Those in the folder that an address names, by name."""
    at = At.parse(url if urlsplit(url).path.endswith("/") else _as_folder(url))
    found: list[Blob] = []
    async with at.open(settings) as place:
        while page := await place.list(after=found[-1].name if found else "", limit=PAGE):
            found += page
    keys = {blob.name for blob in found if blob.name.endswith(KEY)}
    return [
        BackupFound(
            url=at.url_of(blob.name),
            size=blob.size,
            stored_at=blob.modified_at,
            with_key=blob.name + KEY in keys,
        )
        for blob in found
        if blob.name not in keys
    ]


def _as_folder(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(path=f"{parts.path}/").geturl()


async def _check_free(place: BlobStore, name: str, url: str) -> None:
    from tertulia.adapters.sql.backup import TargetExistsError

    try:
        await place.head(name)
    except BlobMissingError:
        return
    msg = f"{url} exists already; nothing was overwritten."
    raise TargetExistsError(msg)


@contextmanager
def _draft(settings: SettingsInForce) -> Generator[Path]:
    """Where a backup is whole for a while, on the disk that holds the database as well."""
    home = open_home(home_path(settings)).path
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=home) as folder:
        yield Path(folder) / "draft"


def _vault(settings: SettingsInForce) -> KeyVault:
    vault = inspection.vault(settings)
    if vault is None:
        raise safekeeping.KeyAbsentError
    return vault


async def _sealed_vault(place: BlobStore, name: str, passphrase: str) -> KeyVault:
    from tertulia.adapters.keyfile.envelope import disclose
    from tertulia.adapters.keyfile.vault import MemoryVault

    try:
        envelope = b"".join([piece async for piece in place.get(name + KEY)])
    except BlobMissingError:
        msg = "The backup was made without a passphrase; put the key file in its place."
        raise safekeeping.KeyAbsentError(msg) from None
    return MemoryVault(disclose(envelope, passphrase))


async def _once(content: bytes) -> AsyncGenerator[bytes]:
    yield content


async def _pieces(file: Path) -> AsyncGenerator[bytes]:
    with file.open("rb") as source:
        while piece := await asyncio.to_thread(source.read, PIECE_BYTES):
            yield piece


async def _fetch(blobs: BlobStore, name: str, file: Path) -> None:
    with file.open("wb") as sink:
        async for piece in blobs.get(name):
            await asyncio.to_thread(sink.write, piece)
