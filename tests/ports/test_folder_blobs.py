"""What a folder brings along: rights, drafts of processes that died, a full disk."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tertulia.adapters.folder.blobs import DRAFTS, FolderBlobs
from tertulia.ports.blobs import BlobsUnavailableError
from tests.e2e.server import environment
from tests.ports.blob_places import pieces, whole


async def test_all_of_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    await FolderBlobs(tmp_path / "blobs").put("a/b", pieces(b"x"))
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "blobs").rglob("*")}
    assert modes == {"a": 0o700, "b": 0o600, DRAFTS: 0o700}
    assert (tmp_path / "blobs").stat().st_mode & 0o777 == 0o700


DYING = """
import asyncio, sys
from pathlib import Path
from tertulia.adapters.folder.blobs import FolderBlobs

async def content():
    for _ in range(3):
        yield b"x" * 2_000_000
    print("half", flush=True)
    await asyncio.Event().wait()

asyncio.run(FolderBlobs(Path(sys.argv[1])).put("blob", content()))
"""


def test_what_a_killed_process_left_is_not_seen_and_soon_gone(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DYING, str(tmp_path)], env=environment(), stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"half\n"
        assert asyncio.run(FolderBlobs(tmp_path).list()) == []
        assert size_of(tmp_path / DRAFTS) >= 5_000_000  # it is not swept while it is written
        writer.send_signal(signal.SIGKILL)
    assert asyncio.run(FolderBlobs(tmp_path).list()) == []
    assert size_of(tmp_path / DRAFTS) == 0


FULL = """
import asyncio, resource, sys
from pathlib import Path
from tertulia.adapters.folder.blobs import FolderBlobs
from tertulia.ports.store import StorageFullError
from tests.ports.blob_places import pieces

async def main(place):
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    try:
        await place.put("blob", pieces(bytes(3_000_000)))
    except StorageFullError:
        print([blob.name for blob in await place.list()])

asyncio.run(main(FolderBlobs(Path(sys.argv[1]))))
"""


def test_a_full_disk_is_told_and_keeps_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "[]\n", done.stderr
    assert size_of(tmp_path / DRAFTS) == 0


async def test_a_reader_of_the_old_content_has_it_to_its_end(tmp_path: Path) -> None:
    place = FolderBlobs(tmp_path)
    old = os.urandom(3_000_000)
    await place.put("blob", pieces(old))
    reading = place.get("blob")
    begun = await anext(reading)
    await place.put("blob", pieces(b"new"))
    assert begun + b"".join([piece async for piece in reading]) == old
    assert await whole(place, "blob") == b"new"


async def test_nothing_is_placed_before_all_of_it_is_there(tmp_path: Path) -> None:
    place = FolderBlobs(tmp_path)
    seen: list[int] = []

    async def watched() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 2_000_000
            seen.append(len(await place.list()))

    await place.put("blob", watched())
    assert seen == [0, 0, 0]
    assert len(await place.list()) == 1


async def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file")
    with pytest.raises(BlobsUnavailableError):
        await FolderBlobs(tmp_path / "blobs").put("blob", pieces(b"x"))


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
