"""Rotating the master key: every data key wrapped anew, while others write, in as many goes as it
takes."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tertulia.adapters.keyfile import FileVault, MemoryVault
from tertulia.adapters.sql.rotation import TOGETHER, rotate_master_key
from tertulia.adapters.sql.sqlite import SqliteStore, open_sqlite_store
from tertulia.domain.ids import ConversationId, UserId
from tertulia.kit.clock import SystemClock
from tertulia.ports.key_vault import KeyMissingError, KeyVault
from tertulia.ports.store import Tx
from tests.ports.stores import NotedSignals, conversation, message

OWNER = UserId("owner")


def opened(database: Path, vault: KeyVault) -> AbstractAsyncContextManager[SqliteStore]:
    return open_sqlite_store(database, vault, NotedSignals(), SystemClock())


async def talk(store: SqliteStore) -> ConversationId:
    made = conversation(OWNER)

    def work(tx: Tx) -> None:
        tx.conversations.create(made)
        tx.messages.append(message(made.id, text=made.id))

    await store.write(work)
    return made.id


async def is_readable(store: SqliteStore, cid: ConversationId) -> bool:
    [found] = await store.read(lambda tx: tx.messages.page(cid, before=None, after=None, limit=9))
    return found.text == cid


async def test_everything_is_readable_without_the_old_key(tmp_path: Path) -> None:
    vault = MemoryVault()
    async with opened(tmp_path / "t.db", vault) as store:
        before = [await talk(store) for _ in range(5)]
        rotation = await rotate_master_key(store, vault, retire=True)
        assert (rotation.version, rotation.rewrapped, rotation.resumed) == (2, 5, False)
        after = await talk(store)
    assert list(vault.keyring.keys) == [2]
    async with opened(tmp_path / "t.db", vault) as store:
        assert all([await is_readable(store, cid) for cid in (*before, after)])


async def test_the_old_key_stays_unless_it_is_retired(tmp_path: Path) -> None:
    vault = MemoryVault()
    async with opened(tmp_path / "t.db", vault) as store:
        await talk(store)
        await rotate_master_key(store, vault)
        assert list(vault.keyring.keys) == [1, 2]


async def test_progress_counts_down_to_nothing(tmp_path: Path) -> None:
    vault = MemoryVault()
    left: list[int] = []
    async with opened(tmp_path / "t.db", vault) as store:
        for _ in range(2 * TOGETHER + 1):
            await store.write(lambda tx: tx.conversations.create(conversation(OWNER)))
        await rotate_master_key(store, vault, on_progress=left.append)
        assert left == [TOGETHER + 1, 1, 0]
        assert (await store.counts())["unrewrapped"] == 0


async def test_a_rotation_that_was_stopped_is_finished_before_another_begins(
    tmp_path: Path,
) -> None:
    vault = MemoryVault()
    async with opened(tmp_path / "t.db", vault) as store:
        ids = [await talk(store) for _ in range(5)]
        vault.rotate()
        assert await store.rewrap(limit=2) == 5
        rotation = await rotate_master_key(store, vault, retire=True)
        assert (rotation.version, rotation.rewrapped, rotation.resumed) == (2, 3, True)
        assert all([await is_readable(store, cid) for cid in ids])
        again = await rotate_master_key(store, vault)
        assert (again.version, again.resumed) == (3, False)


async def test_a_server_that_writes_on_loses_nothing(tmp_path: Path) -> None:
    """Another process rotates and destroys the old key; the server has been told nothing."""
    served, rotating = FileVault.create(tmp_path / "k"), FileVault(tmp_path / "k")
    ids: list[ConversationId] = []
    done = asyncio.Event()
    async with (
        opened(tmp_path / "t.db", served) as server,
        opened(tmp_path / "t.db", rotating) as other,
    ):

        async def write_on() -> None:
            while not done.is_set():
                ids.append(await talk(server))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(write_on())
            for _ in range(5):
                await rotate_master_key(other, rotating, retire=True)
            done.set()
        assert all([await is_readable(server, cid) for cid in ids])
    async with opened(tmp_path / "t.db", FileVault(tmp_path / "k")) as store:
        assert all([await is_readable(store, cid) for cid in ids])
        assert await store.check() == []


async def test_a_key_that_is_missing_is_a_problem(tmp_path: Path) -> None:
    vault = MemoryVault()
    async with opened(tmp_path / "t.db", vault) as store:
        cid = await talk(store)
    vault.rotate()
    vault.retire(before=2)
    async with opened(tmp_path / "t.db", vault) as store:
        assert await store.check() == ["The master key that this value needs is not in the vault."]
        with pytest.raises(KeyMissingError):
            await is_readable(store, cid)
