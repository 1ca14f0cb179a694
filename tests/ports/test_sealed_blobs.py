"""Sealed blobs: the place sees ciphertext, and whatever it changes is found."""

import os
from collections.abc import AsyncGenerator, Callable
from typing import Final

import pytest

from tertulia.adapters.keyfile import MemoryVault
from tertulia.adapters.memory.blobs import MemoryBlobs
from tertulia.adapters.sealed_blobs.blobs import HEADER_BYTES, SealedBlobs
from tertulia.kit.chunks import CHUNK_BYTES, SEALED_BYTES, Extent
from tertulia.kit.clock import SystemClock
from tertulia.kit.errors import TamperedError
from tertulia.ports.key_vault import KeyMissingError
from tests.ports.blob_places import pieces, whole

CONTENT: Final = os.urandom(3 * CHUNK_BYTES + 100)
SECRET: Final = b"nobody at the place may read this. "


class Watched(MemoryBlobs):
    """A place that notes how much was read."""

    read = 0

    async def get(
        self, name: str, *, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        async for piece in super().get(name, start=start, end=end):
            self.read += len(piece)
            yield piece


@pytest.fixture
def place() -> Watched:
    return Watched(SystemClock())


@pytest.fixture
def vault() -> MemoryVault:
    return MemoryVault()


@pytest.fixture
def blobs(place: Watched, vault: MemoryVault) -> SealedBlobs:
    return SealedBlobs(place, vault)


def chunk(sealed: bytes, number: int) -> bytes:
    start = HEADER_BYTES + number * SEALED_BYTES
    return sealed[start : start + SEALED_BYTES]


def flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda sealed: sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]


def exchanged(sealed: bytes) -> bytes:
    head, rest = sealed[:HEADER_BYTES], sealed[HEADER_BYTES + 2 * SEALED_BYTES :]
    return head + chunk(sealed, 1) + chunk(sealed, 0) + rest


CHANGES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "the magic": flipped(0),
    "the wrapped key": flipped(40),
    "the padding": flipped(HEADER_BYTES - 1),
    "the format of a chunk": flipped(HEADER_BYTES),
    "a nonce": flipped(HEADER_BYTES + 5),
    "a byte": flipped(HEADER_BYTES + SEALED_BYTES + 1000),
    "a tag": flipped(HEADER_BYTES + SEALED_BYTES - 1),
    "the last byte": flipped(-1),
    "cut at a chunk": lambda sealed: sealed[: HEADER_BYTES + 3 * SEALED_BYTES],
    "cut to one chunk": lambda sealed: sealed[: HEADER_BYTES + SEALED_BYTES],
    "cut in a chunk": lambda sealed: sealed[:-50],
    "cut in a tag": lambda sealed: sealed[: HEADER_BYTES + SEALED_BYTES + 3],
    "cut to the header": lambda sealed: sealed[:HEADER_BYTES],
    "cut in the header": lambda sealed: sealed[:100],
    "nothing left": lambda _: b"",
    "chunks exchanged": exchanged,
    "a chunk twice": lambda sealed: sealed + chunk(sealed, 3),
    "a chunk left out": lambda sealed: sealed.replace(chunk(sealed, 1), b""),
    "another's chunk": lambda sealed: sealed.replace(chunk(sealed, 1), os.urandom(SEALED_BYTES)),
    "never sealed": lambda _: CONTENT,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_a_change_is_found(
    place: Watched, blobs: SealedBlobs, change: Callable[[bytes], bytes]
) -> None:
    await blobs.put("blob", pieces(CONTENT))
    sealed = await whole(place, "blob")
    changed = change(sealed)
    assert changed != sealed
    await place.put("blob", pieces(changed))
    with pytest.raises(TamperedError):
        await whole(blobs, "blob")


async def test_a_change_is_found_by_who_reads_that_part(place: Watched, blobs: SealedBlobs) -> None:
    await blobs.put("blob", pieces(CONTENT))
    await place.put("blob", pieces(exchanged(await whole(place, "blob"))))
    for start in (0, CHUNK_BYTES + 5):
        with pytest.raises(TamperedError):
            await whole(blobs, "blob", start=start, end=start + 10)
    assert await whole(blobs, "blob", start=2 * CHUNK_BYTES) == CONTENT[2 * CHUNK_BYTES :]


async def test_parts_of_two_blobs_of_the_same_content_cannot_be_mixed(
    place: Watched, blobs: SealedBlobs
) -> None:
    for name in ("one", "two"):
        await blobs.put(name, pieces(CONTENT))
    one, two = [await whole(place, name) for name in ("one", "two")]
    await place.put("one", pieces(one.replace(chunk(one, 1), chunk(two, 1))))
    with pytest.raises(TamperedError):
        await whole(blobs, "one")
    await place.put("one", pieces(two))
    with pytest.raises(TamperedError):
        await whole(blobs, "one")


async def test_the_place_sees_nothing_of_the_content(place: Watched, blobs: SealedBlobs) -> None:
    await blobs.put("blob", pieces(SECRET * 5000))
    sealed = await whole(place, "blob")
    assert SECRET[:8] not in sealed
    await blobs.put("again", pieces(SECRET * 5000))
    assert chunk(sealed, 0) != chunk(await whole(place, "again"), 0)


async def test_a_range_is_read_and_opened_by_itself(place: Watched, blobs: SealedBlobs) -> None:
    await blobs.put("blob", pieces(os.urandom(100 * CHUNK_BYTES)))
    place.read = 0
    assert len(await whole(blobs, "blob", start=70 * CHUNK_BYTES + 5, end=71 * CHUNK_BYTES)) > 0
    assert place.read == HEADER_BYTES + SEALED_BYTES


async def test_the_key_of_that_time_opens_it_and_no_other(
    blobs: SealedBlobs, vault: MemoryVault, place: Watched
) -> None:
    await blobs.put("blob", pieces(b"x"))
    vault.rotate()
    assert await whole(blobs, "blob") == b"x"
    with pytest.raises(TamperedError):
        await whole(SealedBlobs(place, MemoryVault()), "blob")
    vault.retire(before=2)
    with pytest.raises(KeyMissingError):
        await whole(blobs, "blob")


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 7 * CHUNK_BYTES]
)
def test_the_sealed_size_says_the_size(size: int) -> None:
    assert Extent.of_sealed(Extent(size).sealed_size) == Extent(size)


def test_a_size_that_no_content_has_is_refused() -> None:
    for sealed_size in (0, 28, SEALED_BYTES + 1, SEALED_BYTES + 29):
        with pytest.raises(TamperedError):
            Extent.of_sealed(sealed_size)
