"""Places for blobs: in memory, in a folder, in a bucket of a real S3, bare and sealed."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from tertulia.adapters.folder.blobs import FolderBlobs
from tertulia.adapters.keyfile import MemoryVault
from tertulia.adapters.memory.blobs import MemoryBlobs
from tertulia.adapters.s3.blobs import open_s3
from tertulia.adapters.s3.settings import S3Settings
from tertulia.adapters.sealed_blobs.blobs import SealedBlobs
from tertulia.kit.clock import SystemClock
from tertulia.ports.blobs import BlobStore
from tests.servers.s3 import S3, Bucket

PART: int = 5 * 1024 * 1024


class Opening(Protocol):
    def __call__(
        self, request: pytest.FixtureRequest, folder: Path, /
    ) -> AbstractAsyncContextManager[BlobStore]: ...


@asynccontextmanager
async def memory(_: pytest.FixtureRequest, _folder: Path) -> AsyncGenerator[BlobStore]:
    yield MemoryBlobs(SystemClock())


@asynccontextmanager
async def folder(_: pytest.FixtureRequest, folder: Path) -> AsyncGenerator[BlobStore]:
    yield FolderBlobs(folder / "blobs")


@asynccontextmanager
async def bucket(request: pytest.FixtureRequest, _: Path) -> AsyncGenerator[BlobStore]:
    server: S3 = request.getfixturevalue("s3")
    with server.bucket() as made:
        async with open_s3(address(made, "some/prefix"), signing_in(made)) as place:
            yield place


PLACES: dict[str, Opening] = {"memory": memory, "folder": folder, "s3": bucket}


def sealed(opening: Opening) -> Opening:
    """The same place, seeing ciphertext."""

    @asynccontextmanager
    async def opened(request: pytest.FixtureRequest, folder: Path) -> AsyncGenerator[BlobStore]:
        async with opening(request, folder) as place:
            yield SealedBlobs(place, MemoryVault())

    return opened


def address(bucket: Bucket, prefix: str) -> str:
    return f"s3://{bucket.name}/{prefix}?endpoint={bucket.endpoint}&region={bucket.region}"


def signing_in(bucket: Bucket) -> S3Settings:
    return S3Settings.model_validate(
        {
            "access_key_id": bucket.access_key,
            "secret_access_key": bucket.secret_key,
            "part_bytes": PART,
            "parts_at_once": 2,
            "retry_s": 2,
        }
    )


async def pieces(content: bytes, size: int = 1_000_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def whole(place: BlobStore, name: str, *, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in place.get(name, start=start, end=end)])
