"""What every place of blobs keeps, bare and sealed."""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tertulia.kit.chunks import CHUNK_BYTES
from tertulia.ports.blobs import (
    Blob,
    BlobChecksumError,
    BlobMissingError,
    BlobNameError,
    BlobStore,
    Link,
    NoLinks,
)
from tests.ports.blob_places import PART, PLACES, pieces, sealed, whole

OPENINGS = PLACES | {f"sealed {name}": sealed(opening) for name, opening in PLACES.items()}
SIZES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 2 * PART + 7)
NO_NAMES = ("", "/a", "a/", "a//b", "..", "a/../b", ".a", "a/.b", "a b", "ä", "x" * 201, "a/" * 300)


@pytest.fixture(
    params=[
        pytest.param(opening, id=name, marks=[pytest.mark.server] if "s3" in name else [])
        for name, opening in OPENINGS.items()
    ]
)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[BlobStore]:
    async with request.param(request, tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_put_comes_back(place: BlobStore, size: int) -> None:
    content = os.urandom(size)
    receipt = await place.put("a/b.bin", pieces(content))
    assert (receipt.size, receipt.sha256) == (size, hashlib.sha256(content).digest())
    assert await whole(place, "a/b.bin") == content


async def test_any_range_is_that_part_of_the_content(place: BlobStore) -> None:
    content = os.urandom(3 * CHUNK_BYTES + 11)
    await place.put("blob", pieces(content))
    edges = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 5, len(content) - 1]
    for start in (*edges, len(content), len(content) + CHUNK_BYTES):
        for end in (*edges, len(content), len(content) + 99, None):
            assert await whole(place, "blob", start=start, end=end) == content[start:end]


async def test_an_empty_blob_has_empty_ranges(place: BlobStore) -> None:
    await place.put("blob", pieces(b""))
    assert await whole(place, "blob", start=0, end=10) == b""
    assert await whole(place, "blob", start=5) == b""


async def test_a_reader_may_stop_early(place: BlobStore) -> None:
    await place.put("blob", pieces(os.urandom(PART)))
    reading = place.get("blob")
    assert await anext(reading)
    await reading.aclose()
    await place.delete("blob")


async def test_its_size_and_time_are_known(place: BlobStore) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)  # S3 tells whole seconds
    await place.put("blob", pieces(b"x" * 100_000))
    blob = await place.head("blob")
    assert (blob.name, blob.size) == ("blob", 100_000)
    assert before <= blob.modified_at <= datetime.now(UTC) + timedelta(seconds=2)
    assert await place.list() == [blob]


async def test_what_is_not_there_is_missing(place: BlobStore) -> None:
    await place.put("folder/blob", pieces(b"x"))
    for name in ("none", "folder", "folder/none"):
        with pytest.raises(BlobMissingError):
            await place.head(name)
        with pytest.raises(BlobMissingError):
            await whole(place, name)


async def test_deleting_twice_is_deleting_once(place: BlobStore) -> None:
    await place.put("blob", pieces(b"x"))
    await place.delete("blob")
    await place.delete("blob")
    with pytest.raises(BlobMissingError):
        await place.head("blob")


async def test_a_second_put_replaces_the_first(place: BlobStore) -> None:
    await place.put("blob", pieces(b"first" * 100_000))
    await place.put("blob", pieces(b"second"))
    assert await whole(place, "blob") == b"second"


async def test_a_folder_lists_what_is_inside_by_name_and_by_page(place: BlobStore) -> None:
    inside = ["a/1", "a/2", "a/deep/3", "a/z.4"]
    for name in (*reversed(inside), "ab/5", "b"):
        await place.put(name, pieces(b"x"))
    assert names(await place.list("a")) == inside
    assert names(await place.list()) == [*inside, "ab/5", "b"]
    assert names(await place.list("a", limit=3)) == inside[:3]
    assert names(await place.list("a", after="a/deep/3")) == inside[3:]
    assert await place.list("a", after="a/z.4") == []
    assert await place.list("none") == []


@pytest.mark.parametrize("size", [100, 3 * PART])
async def test_content_that_fails_leaves_what_was_there(place: BlobStore, size: int) -> None:
    async def failing() -> AsyncIterator[bytes]:
        async for piece in pieces(os.urandom(size)):
            yield piece
        raise BrokenOffError

    await place.put("kept", pieces(b"before"))
    for name in ("kept", "none"):
        with pytest.raises(BrokenOffError):
            await place.put(name, failing())
    assert await whole(place, "kept") == b"before"
    assert names(await place.list()) == ["kept"]


@pytest.mark.parametrize("size", [100, 3 * PART])
async def test_a_put_that_is_cancelled_leaves_nothing(place: BlobStore, size: int) -> None:
    waits = asyncio.Event()

    async def hanging() -> AsyncIterator[bytes]:
        async for piece in pieces(os.urandom(size)):
            yield piece
        waits.set()
        await asyncio.Event().wait()

    putting = asyncio.ensure_future(place.put("blob", hanging()))
    await waits.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert await place.list() == []


@pytest.mark.parametrize("size", [100, 2 * PART])
async def test_content_that_is_not_what_its_checksum_says_is_refused(
    place: BlobStore, size: int
) -> None:
    content = os.urandom(size)
    right, wrong = hashlib.sha256(content).digest(), hashlib.sha256(b"other").digest()
    with pytest.raises(BlobChecksumError):
        await place.put("blob", pieces(content), sha256=wrong)
    assert await place.list() == []
    assert (await place.put("blob", pieces(content), sha256=right)).sha256 == right


@pytest.mark.parametrize("name", NO_NAMES)
async def test_a_name_that_could_mean_another_place_is_refused(place: BlobStore, name: str) -> None:
    with pytest.raises(BlobNameError):
        await place.put(name, pieces(b"x"))
    with pytest.raises(BlobNameError):
        await whole(place, name)
    with pytest.raises(BlobNameError):
        await place.delete(name)
    with pytest.raises(BlobNameError):
        await place.head(name)
    with pytest.raises(BlobNameError):
        await place.link(name, "GET", expires_in=timedelta(minutes=1))


async def test_a_link_is_good_by_itself_or_is_said_not_to_be_had(place: BlobStore) -> None:
    minute = timedelta(minutes=1)
    match await place.link("blob", "PUT", expires_in=minute):
        case NoLinks():
            assert await place.link("blob", "GET", expires_in=minute) == NoLinks()
        case Link(url=url, expires_in=given):
            assert given == minute
            assert "X-Amz-Expires=60" in url
            async with httpx.AsyncClient() as anybody:
                (await anybody.put(url, content=b"by link")).raise_for_status()
                assert await whole(place, "blob") == b"by link"
                reading = await place.link("blob", "GET", expires_in=timedelta(days=30))
                assert isinstance(reading, Link)
                assert reading.expires_in == timedelta(days=7)
                assert (await anybody.get(reading.url)).content == b"by link"


class BrokenOffError(FileNotFoundError):
    """The source of content broke off; it is a file that is gone, not a blob or a bucket."""


def names(blobs: Sequence[Blob]) -> list[str]:
    return [blob.name for blob in blobs]
