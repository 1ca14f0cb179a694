"""What a store does on a disk of a few megabytes.

Run by test_storage.py on a file system of its own, as `python -m tests.faults.small_disk SCENARIO
FOLDER`. Prints `held` when every rule held.
"""

import asyncio
import ctypes
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from tertulia.adapters.keyfile import MemoryVault
from tertulia.adapters.memory.signals import MemorySignals
from tertulia.adapters.sql.backup import back_up
from tertulia.adapters.sql.sqlite import SqliteStore, open_sqlite_store
from tertulia.domain.ids import ConversationId
from tertulia.domain.messages import Message
from tertulia.kit.clock import SystemClock
from tertulia.ports.store import StorageFullError, StoreUnavailableError, Tx
from tests.ports.stores import START, conversation, message

VAULT: Final = MemoryVault()
BALLAST: Final = 1280 * 1024
MS_RDONLY, MS_REMOUNT = 1, 32


def opened(folder: Path):
    return open_sqlite_store(folder / "t.db", VAULT, MemorySignals(), SystemClock())


async def begin(store: SqliteStore) -> ConversationId:
    owner = await store.write(lambda tx: tx.accounts.owner())
    return (await store.write(lambda tx: tx.conversations.create(conversation(owner.id)))).id


async def say(store: SqliteStore, cid: ConversationId, size: int) -> Message:
    text = os.urandom(size // 2).hex()
    return await store.write(lambda tx: tx.messages.append(message(cid, text=text)))


async def all_said(store: SqliteStore, cid: ConversationId) -> list[Message]:
    def work(tx: Tx) -> list[Message]:
        found: list[Message] = []
        while page := tx.messages.page(
            cid, before=None, after=found[-1].seq if found else 0, limit=100_000
        ):
            found += page
        return found

    return await store.read(work)


async def fill(store: SqliteStore, cid: ConversationId) -> list[Message]:
    """Until the disk is full, at last by small ones; what was acknowledged."""
    said: list[Message] = []
    for size in (100_000, 4_000, 10):
        while True:
            try:
                said.append(await say(store, cid, size))
            except StorageFullError:
                break
    return said


async def full_and_freed(folder: Path) -> None:
    """A full disk refuses what does not fit, keeps all that was said, can be read, and takes
    more as soon as there is room, without a restart."""
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(BALLAST))
    async with opened(folder) as store:
        cid = await begin(store)
        said = await fill(store, cid)
        assert len(said) > 10
        assert await all_said(store, cid) == said
        ballast.unlink()
        said += [await say(store, cid, 1000) for _ in range(20)]
        assert await all_said(store, cid) == said
        assert await store.check() == []
    async with opened(folder) as store:
        assert await all_said(store, cid) == said


async def the_log_gives_its_room_back(folder: Path) -> None:
    """A commit writes some 30 kB of log, so a hundred fill this disk; where the database itself
    has room (here left by something erased), the log is folded into it and writing goes on."""
    async with opened(folder) as store:
        cid = await begin(store)
        await say(store, cid, 500_000)
        await store.write(lambda tx: tx.conversations.erase(cid))
        cid = await begin(store)
        said = [await say(store, cid, 10) for _ in range(300)]
        assert await all_said(store, cid) == said


async def restarted_while_full(folder: Path) -> None:
    """A start on a full disk serves what is there."""
    async with opened(folder) as store:
        cid = await begin(store)
        said = await fill(store, cid)
    async with opened(folder) as store:
        assert await all_said(store, cid) == said


async def a_large_one_among_small_ones(folder: Path) -> None:
    """What does not fit does not keep its neighbours in the group from fitting."""
    async with opened(folder) as store:
        cid = await begin(store)
        sizes = [10, 10, 16_000_000, 10, 10]
        results = await asyncio.gather(
            *(say(store, cid, size) for size in sizes), return_exceptions=True
        )
        assert [isinstance(result, Message) for result in results] == [
            True,
            True,
            False,
            True,
            True,
        ]
        assert isinstance(results[2], StorageFullError)
        assert [m.seq for m in await all_said(store, cid)] == [1, 2, 3, 4]


async def no_room_for_a_database(folder: Path) -> None:
    """One sentence, and no half-made database that the next start would trip over."""
    ballast = folder / "ballast"
    room = os.statvfs(folder)
    ballast.write_bytes(bytes(room.f_bavail * room.f_frsize - 16 * 1024))
    with pytest.raises(StorageFullError):
        async with opened(folder):
            pass
    ballast.unlink()
    async with opened(folder) as store:
        await begin(store)


async def no_room_for_a_backup(folder: Path) -> None:
    """No half a backup is left."""
    async with opened(folder) as store:
        cid = await begin(store)
        await fill(store, cid)
        with pytest.raises(StorageFullError):
            await back_up(store, folder / "b", made_at=START)
        assert names(folder) == {"t.db", "t.db-wal", "t.db-shm"}


async def a_home_that_becomes_read_only(folder: Path) -> None:
    """Said at the start in one sentence; nothing is lost."""
    async with opened(folder) as store:
        cid = await begin(store)
        said = [await say(store, cid, 1000)]
    remount(folder, read_only=True)
    with pytest.raises(StoreUnavailableError, match="Read-only"):
        async with opened(folder):
            pass
    remount(folder, read_only=False)
    async with opened(folder) as store:
        assert await all_said(store, cid) == said


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def remount(folder: Path, *, read_only: bool) -> None:
    flags = MS_REMOUNT | (MS_RDONLY if read_only else 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", os.fsencode(folder), None, flags, None):
        raise OSError(ctypes.get_errno(), "remount")


SCENARIOS: Final[dict[str, Callable[[Path], Awaitable[None]]]] = {
    scenario.__name__: scenario
    for scenario in (
        full_and_freed,
        the_log_gives_its_room_back,
        restarted_while_full,
        a_large_one_among_small_ones,
        no_room_for_a_database,
        no_room_for_a_backup,
        a_home_that_becomes_read_only,
    )
}


async def main(scenario: str, folder: Path) -> None:
    await SCENARIOS[scenario](folder)
    print("held")  # noqa: T201  the report


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
